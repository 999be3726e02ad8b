"""Known pairs for regression: scores of one modality and targets of another."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from jamie.core.data import Cells
from jamie.core.errors import DataError

Direction = tuple[str, str]


def known_pairs(
    cells: Cells, source: str, target: str, *, method: str, at_least: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return indices (n,) of the cells of two modalities that are known pairs.

    Parameters
    ----------
    cells
        Training cells.
    source, target
        Modalities.
    method
        Name, for the message.
    at_least
        How many pairs the method needs.

    Raises
    ------
    DataError
        If fewer are known.
    """
    rows, columns = cells.pairs(source, target)
    if len(rows) < at_least:
        raise DataError(
            f"expected at least {at_least} known pairs of {source} and {target} among the training cells, "
            f"found {len(rows)}",
            where=f"method '{method}'",
            fix="let it use more pairs (evaluate.known_pairs.fraction), hold out fewer cells, or leave it out",
        )
    return rows, columns


def regression_pairs(
    cells: Cells, *, method: str, at_least: int
) -> Iterator[tuple[Direction, NDArray[np.float32], NDArray[np.float32]]]:
    """Yield source and target, the scores (n, d) of the source and the targets (n, t) of their known partners.

    Raises
    ------
    DataError
        If two modalities have fewer known pairs than `at_least`.
    """
    for source, target in permutations(cells.modalities, 2):
        rows, columns = known_pairs(cells, source, target, method=method, at_least=at_least)
        yield (source, target), cells.scores[source][rows], cells.targets[target][columns]
