"""Variance of predictions, one at a time."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def variance_of(predictions: Iterable[Floats]) -> Floats | None:
    """Variance (n, p) of predictions (n, p), of which three are held at a time; None where there is but one.

    References
    ----------
    Welford (1962), 10.1080/00401706.1962.10490022
    """
    mean, squares, count = np.zeros(1, np.float32), np.zeros(1, np.float32), 0
    for one in predictions:
        count += 1
        if count == 1:
            mean, squares = one.astype(np.float32), np.zeros(one.shape, np.float32)
            continue
        change = one - mean
        mean += change / np.float32(count)
        squares += change * (one - mean)
    return squares / np.float32(count) if count > 1 else None
