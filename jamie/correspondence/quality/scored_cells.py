"""The cells that every inferer is scored on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jamie.core.correspondence import Correspondence
from jamie.core.data import Dataset
from jamie.correspondence.arrays import Index


@dataclass(frozen=True)
class ScoredCells:
    """Cells of two modalities, among which partners are looked for.

    Parameters
    ----------
    rows, columns
        Indices of the cells of either modality.
    truth
        The true pairs among them, in their order; may be empty.
    held_out
        Whether these pairs were hidden from every inferer.
    """

    rows: Index
    columns: Index
    truth: Correspondence
    held_out: bool


def find_scored_cells(dataset: Dataset, a: str, b: str, *, uses_known: bool) -> ScoredCells | None:
    """Return the cells on which an inferer is scored: those without a known partner, if some true pair is among them.

    They are the same for every inferer. If no pair is hidden, they are all cells for one that does not use known
    pairs, and for one that does the cells without a known partner, where only labels tell how good it is; None if no
    such cells are left.

    Parameters
    ----------
    dataset
        The cells that the inferer matched, with true and known pairs.
    a, b
        Modalities.
    uses_known
        Whether the inferer uses the known pairs.
    """
    truth, known = dataset.truth.between(a, b), dataset.known.with_indirect_pairs(a, b)
    rows, columns = (np.flatnonzero(side.best_partner() < 0) for side in (known, known.T))
    hidden = truth.subset(rows, columns)
    if not hidden.n_pairs and not uses_known:
        return ScoredCells(np.arange(truth.shape[0]), np.arange(truth.shape[1]), truth, held_out=False)
    if not (len(rows) and len(columns)):
        return None
    return ScoredCells(rows, columns, hidden, held_out=hidden.n_pairs > 0)
