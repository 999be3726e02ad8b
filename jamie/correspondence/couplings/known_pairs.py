"""Known pairs as an inferer uses them: each cell at most once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jamie.core.correspondence import Correspondence
from jamie.core.errors import DataError


def known_pairs(
    known: Correspondence, least: int, where: str
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Return rows and columns (k,) of cells that are likeliest the same, and their confidence.

    Raises
    ------
    DataError
        Where there are fewer than `least`.
    """
    best = known.mutual_best()
    rows, columns = best.pairs()
    _, first = np.unique(rows, return_index=True)
    first = first[np.unique(columns[first], return_index=True)[1]]
    if len(first) < least:
        raise DataError(
            f"expected at least {least} known pairs, found {len(first)}",
            where=where,
            fix="give more pairs (correspondence.known), or infer without any (correspondence.infer: unioncom)",
        )
    return rows[first], columns[first], best.matrix.data[first]
