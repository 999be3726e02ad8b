"""Which cells are scored together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jamie.core.correspondence import Correspondence
from jamie.core.data import Dataset, Split
from jamie.core.names import ALL_CELLS, HELD_OUT_CELLS, HELD_OUT_PAIRS, TRAINING_CELLS

# scopes from the least to the most biased by the training
PREFERRED = (HELD_OUT_CELLS, HELD_OUT_PAIRS, ALL_CELLS, TRAINING_CELLS)


@dataclass(frozen=True)
class Scope:
    """Cells of two modalities that are scored together.

    Parameters
    ----------
    name
        As in the records.
    cells
        Indices of the cells of each of the two.
    truth
        The true pairs among these cells, in their order.
    """

    name: str
    cells: Mapping[str, NDArray[np.int64]]
    truth: Correspondence

    def sample(self, most: int) -> Scope:
        """Return the scope with at most so many cells of each modality, evenly spaced, and with partners kept together.

        The partners of the sampled cells of the first modality come first, then evenly spaced other cells.
        """
        (a, first), (b, second) = self.cells.items()
        if max(len(first), len(second)) <= most:
            return self
        rows = _evenly_spaced(np.arange(len(first)), most)
        partner = self.truth.best_partner()[rows]
        columns = np.unique(partner[partner >= 0])
        others = np.setdiff1d(np.arange(len(second)), columns)
        columns = np.sort(np.concatenate([columns, _evenly_spaced(others, most - len(columns))]))
        return Scope(self.name, {a: first[rows], b: second[columns]}, self.truth.subset(rows, columns))


def _evenly_spaced(cells: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    if len(cells) <= most:
        return cells
    return cells[np.linspace(0, len(cells) - 1, most).astype(np.int64)]


def find_scopes(dataset: Dataset, split: Split, a: str, b: str) -> list[Scope]:
    """Return the scopes of two modalities that hold cells of both, the least biased by the training first."""
    truth = dataset.truth.between(a, b)
    candidates = {ALL_CELLS: ({m: np.arange(dataset.sizes[m]) for m in (a, b)}, truth)}
    if split.any_held_out:
        candidates[TRAINING_CELLS] = ({m: np.flatnonzero(split.train[m]) for m in (a, b)}, truth)
        candidates[HELD_OUT_CELLS] = ({m: np.flatnonzero(split.held_out[m]) for m in (a, b)}, truth)
    hidden = truth.without(dataset.known.between(a, b))
    rows, columns = hidden.pairs()
    trained = split.train[a][rows] & split.train[b][columns]
    candidates[HELD_OUT_PAIRS] = ({a: np.unique(rows[trained]), b: np.unique(columns[trained])}, hidden)
    scopes = ((name, *candidates[name]) for name in PREFERRED if name in candidates)
    return [
        Scope(name, cells, pairs.subset(cells[a], cells[b]))
        for name, cells, pairs in scopes
        if all(len(index) for index in cells.values())
    ]
