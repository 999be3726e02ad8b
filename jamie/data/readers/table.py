"""A matrix file for each modality, with or without names."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from jamie.core.context import Context
from jamie.core.errors import DataError
from jamie.core.interfaces.data import Reader
from jamie.core.suggest import suggest_names
from jamie.data.assemble import assemble, mudata_conventions, require_unique_cells
from jamie.data.storage.matrices import NamedMatrix, Names, read_frame, read_matrix, read_names

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

log = logging.getLogger(__name__)


class TableReader(Reader):
    """Matrix files (csv, tsv, mtx, npy, npz), one for each modality, cells as rows.

    Cells without names get names of their modality's own (``rna_0``, ``rna_1``, ...): equal numbers of rows are
    never taken for matched cells.

    Parameters
    ----------
    paths
        Name of each modality and its matrix: .csv, .tsv, .mtx (each also .gz), .npy or .npz (dense or sparse).
    cells
        Name of a modality and a text file of its cells' names, one a line.
    features
        Name of a modality and a text file of its features' names, one a line.
    obs
        A csv or tsv table with annotations, such as labels; its first column holds cell names.
    names
        Whether csv and tsv files have names of rows, columns, both or none; read from their first lines by default,
        and required where the first line is 0, 1, 2, ..., which may be names or values.
    transpose
        Whether the files hold features as rows: for all modalities, or for those named.
    """

    name = "table"

    def __init__(
        self,
        *,
        paths: dict[str, Path],
        cells: dict[str, Path] | None = None,
        features: dict[str, Path] | None = None,
        obs: Path | None = None,
        names: Names = "auto",
        transpose: bool | list[str] = False,
    ) -> None:
        self.paths = {name: Path(path) for name, path in paths.items()}
        self.cells = {name: Path(path) for name, path in (cells or {}).items()}
        self.features = {name: Path(path) for name, path in (features or {}).items()}
        self.obs = None if obs is None else Path(obs)
        self.names: Names = names
        self.transpose = transpose

    def _read(self, context: Context) -> MuData:
        self._check()
        matrices = {name: self._matrix(name) for name in self.paths}
        nameless = [name for name, matrix in matrices.items() if matrix.rows is None]
        if nameless:
            log.warning(
                "reader 'table': the cells of %s have no names and are called %s_0, %s_1, ...; which cell is which "
                "must be given by `known: table` or `known: matrix`, or by naming the cells (`cells`)",
                *(", ".join(nameless), nameless[0], nameless[0]),
            )
        with mudata_conventions():
            modalities = {name: _as_adata(name, matrix) for name, matrix in matrices.items()}
        if self.obs is None:
            _warn_of_features_as_rows(modalities)
        else:
            table = _read_annotations(self.obs)
            _warn_of_features_as_rows(modalities, table.index)
            _annotate(modalities, table, self.obs)
        return assemble(modalities)

    def _matrix(self, name: str) -> NamedMatrix:
        """Read one modality as cells x features; files of names take precedence over names in the matrix."""
        matrix = read_matrix(self.paths[name], self.names)
        if self.transpose is True or (isinstance(self.transpose, list) and name in self.transpose):
            matrix = matrix.T
        n_cells, n_features = matrix.X.shape
        cells, features = self.cells.get(name), self.features.get(name)
        return NamedMatrix(
            matrix.X,
            read_names(cells, n_cells, f"the cells of '{name}'") if cells else matrix.rows,
            read_names(features, n_features, f"the features of '{name}'") if features else matrix.columns,
        )

    def _check(self) -> None:
        if not self.paths:
            raise self._data_error("expected a file for each modality, found none", of="paths")
        transposed = self.transpose if isinstance(self.transpose, list) else []
        for key, named in (("cells", self.cells), ("features", self.features), ("transpose", transposed)):
            for name in named:
                if name not in self.paths:
                    problem = f"expected a modality of paths, found '{name}'"
                    raise self._data_error(problem, suggest_names(name, self.paths), of=key)


def _as_adata(name: str, matrix: NamedMatrix) -> AnnData:
    from anndata import AnnData

    n_cells, n_features = matrix.X.shape
    cells = [f"{name}_{i}" for i in range(n_cells)] if matrix.rows is None else matrix.rows
    features = [f"{name}_{j}" for j in range(n_features)] if matrix.columns is None else matrix.columns
    obs, var = (pd.DataFrame(index=pd.Index(names, dtype=object)) for names in (cells, features))
    require_unique_cells(obs.index, f"modality '{name}'")
    return AnnData(matrix.X, obs=obs, var=var)


def _warn_of_features_as_rows(modalities: dict[str, AnnData], annotated: pd.Index | None = None) -> None:
    """Warn where a modality's features, and not its cells, mostly have the names of other cells."""
    for name, adata in modalities.items():
        others = {f"'{other}'": modalities[other].obs_names for other in modalities if other != name}
        if annotated is not None:
            others["the obs table"] = annotated
        for source, cells in others.items():
            if adata.var_names.isin(cells).mean() > 0.5 and not adata.obs_names.isin(cells).any():
                log.warning(
                    "reader 'table': the features of '%s', such as '%s', have the names of cells of %s; if the file "
                    "has features as rows, set `transpose: [%s]`",
                    *(name, adata.var_names[0], source, name),
                )
                break


def _read_annotations(path: Path) -> pd.DataFrame:
    """Read a table whose first column holds cell names."""
    table = read_frame(path, "a table of annotations (.csv or .tsv)", dtype={0: str})
    table = table.set_index(table.columns[0])
    table.index = pd.Index(table.index.astype(str), name=None)
    require_unique_cells(table.index, str(path))
    return table


def _annotate(modalities: dict[str, AnnData], table: pd.DataFrame, path: Path) -> None:
    """Give every modality the rows of the table, which was read from `path`, that its cells have."""
    absent = {name: int((~adata.obs_names.isin(table.index)).sum()) for name, adata in modalities.items()}
    if all(n == modalities[name].n_obs for name, n in absent.items()):
        cells = next(iter(modalities.values())).obs_names
        found = f"none of them; the first row is '{table.index[0]}'" if len(table) else "no row"
        raise DataError(
            f"expected names of cells in the first column, such as '{cells[0]}', found {found}",
            where=str(path),
            fix="put the cells' names first; name the cells with `cells` if the matrices have no names",
        )
    for name, adata in modalities.items():
        if absent[name] > 0:
            log.warning("%s: %d of %d cells of '%s' have no row", path, absent[name], adata.n_obs, name)
        adata.obs = table.reindex(adata.obs_names)
