import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from jamie.metrics.sign_test import SignTest, sign_tests


def table(scores, **columns):
    """One row for each method and feature."""
    rows = [
        {"method": method, "feature": f"f{i}", "pearson": value, "mse": -value}
        for method, values in scores.items()
        for i, value in enumerate(values)
    ]
    return pd.DataFrame(rows).assign(**({"source": "rna", "target": "ephys", "scope": "held_out_cells"} | columns))


def test_wins_are_counted_without_ties_and_features_that_either_lacks():
    scores = {"jamie": [0.9, 0.5, 0.1, np.nan, 0.3, 0.6], "knn": [0.1, 0.5, 0.2, 0.9, np.nan, 0.5]}
    found = sign_tests(table(scores), {"pearson": True, "mse": False})
    expected = ("rna", "ephys", "held_out_cells", "jamie", "knn", 2, 1, 1, 1.0)
    assert found == [SignTest("pearson", *expected), SignTest("mse", *expected)]


def test_the_direction_of_a_metric_turns_wins_around():
    (found,) = sign_tests(table({"a": [1.0, 2.0], "b": [0.0, 0.0]}), {"pearson": False})
    assert (found.wins_a, found.wins_b) == (0, 2)


@pytest.mark.parametrize(("wins", "n", "below"), [(22, 29, 9e-3), (33, 39, 2e-5), (1147, 2000, 6e-11)])
def test_p_values_are_those_of_the_paper(wins, n, below):
    (found,) = sign_tests(table({"jamie": 1.0 * (np.arange(n) < wins), "knn": np.full(n, 0.5)}), {"pearson": True})
    assert (found.wins_a, found.wins_b) == (wins, n - wins)
    assert found.p_value == binomtest(wins, n).pvalue
    assert below / 10 < found.p_value < below


def test_a_single_feature_decides_nothing_and_ties_alone_less():
    assert sign_tests(table({"a": [1.0], "b": [0.0]}), {"pearson": True})[0].p_value == 1
    (tied,) = sign_tests(table({"a": [1.0, 0.5], "b": [1.0, 0.5]}), {"pearson": True})
    assert (tied.wins_a, tied.wins_b, tied.ties, tied.p_value) == (0, 0, 2, 1.0)


def test_every_two_methods_are_compared_in_each_direction_and_scope():
    one = table({"a": [1.0, 2.0], "b": [0.0, 3.0], "c": [5.0, 5.0]})
    other = table({"a": [0.0], "b": [1.0]}, source="ephys", target="rna")
    found = sign_tests(pd.concat([one, other]), {"pearson": True})
    shown = [(w.source, w.method_a, w.method_b, w.wins_a, w.wins_b) for w in found]
    assert shown == [
        ("rna", "a", "b", 1, 1),
        ("rna", "a", "c", 0, 2),
        ("rna", "b", "c", 0, 2),
        ("ephys", "a", "b", 0, 1),
    ]


def test_methods_that_share_no_scored_feature_are_not_compared():
    assert sign_tests(table({"a": [1.0, np.nan], "b": [np.nan, 1.0]}), {"pearson": True}) == []
