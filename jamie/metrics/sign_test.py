"""Sign test: which of two methods is better at more features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class SignTest:
    """Two methods on the same features.

    Parameters
    ----------
    metric
        By which they are compared.
    source, target, scope
        Modality that was imputed from, imputed modality, and cells.
    method_a, method_b
        Names of the methods.
    wins_a, wins_b, ties
        Numbers of features at which either is better, and at which they are equal.
    p_value
        Of the two-sided binomial test that either is as likely to be better, ties left out; 1 if all tie.
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


def sign_tests(table: pd.DataFrame, higher_is_better: Mapping[str, bool]) -> list[SignTest]:
    """Compare every two methods by every metric, over the features that both have a score of.

    Parameters
    ----------
    table
        One row for each method, source, target, scope and feature, in columns of these names, and a column of scores
        for each metric, NaN if a feature could not be scored.
    higher_is_better
        For each metric, by its column, in the order of the result.

    Returns
    -------
    list of SignTest
        By source, target and scope, then metric, then two methods in the order of the table; methods that share no
        scored feature are left out.
    """
    from scipy.stats import binomtest

    tests = []
    for case, rows in table.groupby(["source", "target", "scope"], sort=False):
        source, target, scope = map(str, case)
        for metric, higher in higher_is_better.items():
            scores = rows.pivot(index="feature", columns="method", values=metric)
            for a, b in combinations(rows["method"].unique(), 2):
                gain = (scores[a] - scores[b]).dropna().to_numpy(np.float64) * (1 if higher else -1)
                if len(gain):
                    wins_a, wins_b = int((gain > 0).sum()), int((gain < 0).sum())
                    n = wins_a + wins_b
                    p_value = float(binomtest(wins_a, n).pvalue) if n else 1.0
                    tests.append(SignTest(metric, source, target, scope, a, b, wins_a, wins_b, len(gain) - n, p_value))
    return tests
