"""Mean, standard deviation and interval over repetitions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_LEVEL = 0.95


def summarize(table: pd.DataFrame, by: Sequence[str], value: str = "value") -> pd.DataFrame:
    """Summarize the values of every group.

    Parameters
    ----------
    table
        One row for each value; those that are NaN are left out.
    by
        Columns whose values make the groups, which keep the order of the table.
    value
        Column of the values.

    Returns
    -------
    DataFrame
        One row for each group, with the columns `by`, ``mean``, ``sd`` (n - 1 in the denominator), ``lower`` and
        ``upper`` (95 % interval of the mean by Student's t), and ``n``; sd and interval of a single value are NaN.
    """
    from scipy.stats import t

    groups = table.groupby(list(by), sort=False, dropna=False)[value]
    summary = groups.agg(mean="mean", sd="std", n="count").reset_index()
    n: NDArray[np.float64] = summary["n"].to_numpy(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        half = t.ppf((1 + _LEVEL) / 2, n - 1) * summary["sd"].to_numpy(np.float64) / np.sqrt(n)
    summary["lower"], summary["upper"] = summary["mean"] - half, summary["mean"] + half
    return summary[[*by, "mean", "sd", "lower", "upper", "n"]]
