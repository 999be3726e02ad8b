"""Which of two methods is better at more features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

CASE = ("source", "target", "scope")


@dataclass(frozen=True)
class Wins:
    """Two methods on the same features.

    Parameters
    ----------
    metric
        By which they are compared.
    source, target, scope
        What was imputed from what, and in which cells.
    method_a, method_b
        Names of the methods.
    wins_a, wins_b, ties
        Features at which either is better, and at which they are equal.
    p_value
        Of the two-tailed binomial test that either is as likely to win, ties left out; 1 where all tie.
    """

    metric: str
    source: str
    target: str
    scope: str
    method_a: str
    method_b: str
    wins_a: int
    wins_b: int
    ties: int
    p_value: float


def count_wins(table: pd.DataFrame, higher_is_better: Mapping[str, bool]) -> list[Wins]:
    """Compare every two methods by every metric, over the features that both have a score of.

    Parameters
    ----------
    table
        One row for each method, source, target, scope and feature, in columns of these names, and a column of scores
        for each metric, NaN where a feature could not be scored.
    higher_is_better
        For each metric, by its column, in the order of the result.

    Returns
    -------
    list of Wins
        By source, target and scope, then metric, then two methods in the order of the table; those that share no
        scored feature are left out.
    """
    found = []
    for case, rows in table.groupby(list(CASE), sort=False):
        for metric, higher in higher_is_better.items():
            scores = rows.pivot(index="feature", columns="method", values=metric)
            for a, b in combinations(rows["method"].unique(), 2):
                gain = (scores[a] - scores[b]).dropna().to_numpy(np.float64) * (1 if higher else -1)
                if len(gain):
                    found.append(
                        _compare(metric, {name: str(one) for name, one in zip(CASE, case, strict=True)}, (a, b), gain)
                    )
    return found


def _compare(metric: str, case: Mapping[str, str], methods: tuple[str, str], gain: np.ndarray) -> Wins:
    """Count the features at which the gain of the first over the second is above 0, below, and 0."""
    from scipy.stats import binomtest

    wins_a, wins_b = int((gain > 0).sum()), int((gain < 0).sum())
    p_value = float(binomtest(wins_a, wins_a + wins_b).pvalue) if wins_a + wins_b else 1.0
    return Wins(
        metric,
        **case,
        method_a=methods[0],
        method_b=methods[1],
        wins_a=wins_a,
        wins_b=wins_b,
        ties=len(gain) - wins_a - wins_b,
        p_value=p_value,
    )
