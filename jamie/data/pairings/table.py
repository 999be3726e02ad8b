"""Pairs listed in a file."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from jamie.core.correspondence import Correspondence
from jamie.core.data import ModalityData
from jamie.core.errors import DataError
from jamie.core.interfaces.data import Pairing
from jamie.data.storage.matrices import read_frame

log = logging.getLogger(__name__)

CONFIDENCE = "confidence"


class TablePairing(Pairing):
    """A table of pairs (csv or tsv): one column of cell names for each modality, one row for each cell.

    Parameters
    ----------
    path
        Its header names the modalities; an empty field says that the cell was not measured there. A column
        `confidence` may hold values from 0 to 1.
    """

    name = "table"

    def __init__(self, *, path: Path) -> None:
        self.path = Path(path)

    def _pairs(self, modalities: Mapping[str, ModalityData]) -> dict[tuple[str, str], Correspondence]:
        table = read_frame(self.path, "a table of pairs (.csv or .tsv)", dtype=str, keep_default_na=False)
        columns = self._columns(table, modalities)
        confidence = self._confidence(table)
        index = {name: self._look_up(table[name], modalities[name]) for name in columns}
        chosen = [modalities[name] for name in columns]
        return {(a.name, b.name): self._between(a, b, index, confidence) for a, b in combinations(chosen, 2)}

    def _columns(self, table: pd.DataFrame, modalities: Mapping[str, ModalityData]) -> list[str]:
        columns = [name for name in modalities if name in table]
        if len(columns) < 2:
            raise DataError(
                f"expected a column for each of {', '.join(modalities)}, found {', '.join(map(str, table.columns))}",
                where=str(self.path),
                fix="the header must name the modalities as the spec does",
            )
        ignored = [str(name) for name in table if name not in modalities and name != CONFIDENCE]
        if ignored:
            log.warning("%s: ignored columns that are no modality: %s", self.path, ", ".join(ignored))
        return columns

    def _confidence(self, table: pd.DataFrame) -> np.ndarray:
        if CONFIDENCE not in table:
            return np.ones(len(table), dtype=np.float32)
        values = pd.to_numeric(table[CONFIDENCE], errors="coerce").to_numpy(np.float32)
        wrong = ~((values >= 0) & (values <= 1))
        if wrong.any():
            n = int(wrong.sum())
            first = int(np.argmax(wrong))
            raise DataError(
                f"expected confidences from 0 to 1, found {n} other{'s' * (n > 1)}; the first is "
                f"'{table[CONFIDENCE].iloc[first]}' in row {first + 1}",
                where=str(self.path),
                fix="give numbers from 0 to 1, or leave the column out",
            )
        return values

    def _look_up(self, names: pd.Series, modality: ModalityData) -> np.ndarray:
        """Return the index of each named cell, -1 for an empty field."""
        index = modality.cells.get_indexer(pd.Index(names, dtype=object))
        unknown = (index < 0) & (names != "").to_numpy()
        if unknown.any():
            raise DataError(
                f"expected names of cells, found {int(unknown.sum())} of {len(names)} that modality '{modality.name}' "
                f"does not have; the first is '{names[unknown].iloc[0]}' (its own look like '{modality.cells[0]}')",
                where=f"{self.path}, column '{modality.name}'",
                fix="leave out pairs of cells that are not in the data",
            )
        return index

    def _between(
        self, a: ModalityData, b: ModalityData, index: Mapping[str, np.ndarray], confidence: np.ndarray
    ) -> Correspondence:
        rows, columns = index[a.name], index[b.name]
        both = (rows >= 0) & (columns >= 0)
        repeated = pd.MultiIndex.from_arrays([rows[both], columns[both]]).duplicated()
        if repeated.any():
            first = int(np.flatnonzero(both)[np.argmax(repeated)])
            raise DataError(
                f"expected each pair once, found {int(repeated.sum())} again; the first is '{a.cells[rows[first]]}' "
                f"and '{b.cells[columns[first]]}' in row {first + 1}",
                where=str(self.path),
                fix="keep one row for each pair",
            )
        return Correspondence.from_pairs(rows[both], columns[both], (a.n_cells, b.n_cells), confidence[both])
