"""Individual cells: a cell that was measured in several modalities counts once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from jamie.core.correspondence import Correspondences
from jamie.core.data import ModalityData


@dataclass(frozen=True)
class Individuals:
    """Individual cells: a cell measured in several modalities counts once.

    Parameters
    ----------
    of
        For each modality (n,) number of the individual that the cell is; numbers follow the names.
    modalities
        (individuals, modalities) true where it was measured.
    """

    of: Mapping[str, NDArray[np.int64]]
    modalities: NDArray[np.bool_]

    @property
    def multimodal(self) -> NDArray[np.int64]:
        """Numbers of the individuals measured in two or more modalities."""
        return np.flatnonzero(self.modalities.sum(axis=1) > 1)


def individuals(truth: Correspondences, cells: Mapping[str, pd.Index]) -> Individuals:
    """Join the cells that `truth`, which holds mutual best pairs only, pairs; numbered by the first of their names."""
    names = list(truth.sizes)
    offsets = dict(zip(names, np.cumsum([0, *truth.sizes.values()]), strict=False))
    total = sum(truth.sizes.values())
    edges = [((a, b), c.pairs()) for (a, b), c in truth.items()]
    rows = np.concatenate([offsets[a] + i for (a, b), (i, j) in edges])
    columns = np.concatenate([offsets[b] + j for (a, b), (i, j) in edges])
    graph = sparse.coo_array((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(total, total))
    n, component = connected_components(graph, directed=False)
    table = pd.DataFrame(
        {
            "component": component,
            "name": np.concatenate([np.asarray(cells[m], dtype=object) for m in names]),
            "modality": np.repeat(np.arange(len(names)), list(truth.sizes.values())),
        }
    )
    firsts = table.sort_values(["name", "modality"]).drop_duplicates("component")["component"].to_numpy()
    number = np.empty(n, dtype=np.int64)
    number[firsts] = np.arange(n)
    of = {m: number[component[offsets[m] : offsets[m] + truth.sizes[m]]] for m in names}
    measured = np.zeros((n, len(names)), dtype=bool)
    for k, m in enumerate(names):
        measured[of[m], k] = True
    return Individuals(of, measured)


def annotation(modalities: Mapping[str, ModalityData], individuals: Individuals, column: str) -> pd.Series:
    """(individuals,) value of a column of obs in the first modality that has one, as text; NA where none has."""
    values = pd.Series(pd.NA, index=range(len(individuals.modalities)), dtype=object)
    for name, modality in modalities.items():
        if column in modality.obs:
            own = pd.Series(modality.labels(column), index=individuals.of[name], dtype=object)
            values = values.fillna(own.dropna().groupby(level=0).first())
    return values
