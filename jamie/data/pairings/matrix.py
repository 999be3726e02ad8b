"""Correspondence given as a matrix."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations
from pathlib import Path

import pandas as pd

from jamie.core.correspondence import Correspondence
from jamie.core.data import Matrix, ModalityData
from jamie.core.errors import DataError
from jamie.core.interfaces.data import Pairing
from jamie.data.assemble import require_unique_cells
from jamie.data.storage.matrices import read_matrix


class MatrixPairing(Pairing):
    """A matrix of confidences from 0 to 1 for each two modalities: cells of the first x cells of the second.

    Parameters
    ----------
    paths
        ``rna--atac`` (two modalities; the first are the rows) and its matrix: .npz (sparse or dense), .npy, .csv,
        .tsv or .mtx. Rows and columns follow the cells of the data, or their own names where a text file has them.
    """

    name = "matrix"

    def __init__(self, *, paths: dict[str, Path]) -> None:
        self.paths = {pair: Path(path) for pair, path in paths.items()}

    def _pairs(self, modalities: Mapping[str, ModalityData]) -> dict[tuple[str, str], Correspondence]:
        known = {f"{a}--{b}": (a, b) for a, b in permutations(modalities, 2)}
        for key in self.paths:
            if key not in known:
                raise DataError(
                    f"expected two modalities joined by --, found '{key}'",
                    where="pairing 'matrix', paths",
                    fix=f"available: {', '.join(known)}",
                )
        return {
            known[key]: self._correspondence(path, *(modalities[m] for m in known[key]))
            for key, path in self.paths.items()
        }

    def _correspondence(self, path: Path, a: ModalityData, b: ModalityData) -> Correspondence:
        matrix = read_matrix(path)
        if matrix.X.shape != (a.n_cells, b.n_cells):
            raise DataError(
                f"expected {a.n_cells} x {b.n_cells} values (cells of '{a.name}' x cells of '{b.name}'), found "
                f"{matrix.X.shape[0]} x {matrix.X.shape[1]}",
                where=str(path),
                fix=f"if its rows are cells of '{b.name}', call it '{b.name}--{a.name}'",
            )
        X = _in_order(_in_order(matrix.X, matrix.rows, a, path, axis=0), matrix.columns, b, path, axis=1)
        try:
            return Correspondence(X)
        except DataError as error:
            raise DataError(error.problem, where=str(path), fix=error.fix) from error


def _in_order(X: Matrix, names: pd.Index | None, modality: ModalityData, path: Path, axis: int) -> Matrix:
    """Bring named rows (axis 0) or columns (axis 1) into the order of the modality's cells."""
    if names is None:
        return X
    require_unique_cells(names, str(path))
    order = names.get_indexer(modality.cells)
    if (order < 0).any():
        missing = modality.cells[order < 0]
        raise DataError(
            f"expected the names of the cells of '{modality.name}', found {len(missing)} of them missing; the first is "
            f"'{missing[0]}' (the file has '{names[0]}')",
            where=str(path),
            fix="leave the names out if rows and columns are in the order of the data",
        )
    return X[order] if axis == 0 else X[:, order]
