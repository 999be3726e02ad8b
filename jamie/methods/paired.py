"""Cells of two modalities that are known to be the same, as regressions need them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jamie.core.data import Cells
from jamie.core.errors import DataError


def paired(
    cells: Cells, source: str, target: str, *, method: str, at_least: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Scores (n, d) of the source and targets (n, t) of their known partners.

    Parameters
    ----------
    cells
        Of the fit.
    source, target
        Modalities.
    method
        Name, for the message.
    at_least
        How many pairs the method needs.

    Raises
    ------
    DataError
        Where fewer are known.
    """
    rows, columns = cells.pairs(source, target)
    if len(rows) < at_least:
        raise DataError(
            f"expected at least {at_least} known pairs of {source} and {target} among the training cells, "
            f"found {len(rows)}",
            where=f"method '{method}'",
            fix="tell it of more pairs (evaluate.known_pairs.fraction), hold out fewer cells, or leave it out",
        )
    return cells.views[source].scores[rows], cells.targets[target][columns]
