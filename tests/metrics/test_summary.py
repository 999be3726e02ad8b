import numpy as np
import pandas as pd
import pytest
from scipy import stats

from jamie.metrics.summary import summarize


@pytest.fixture
def table():
    values = {"jamie": [0.7, 0.9, 0.8], "knn": [0.5], "nlma": [0.4, np.nan, 0.6]}
    return pd.DataFrame([{"method": m, "metric": "lta", "value": v} for m, vs in values.items() for v in vs])


def test_summary_has_mean_sd_and_the_interval_of_students_t(table):
    found = summarize(table, ["metric", "method"]).set_index("method")
    assert list(found.index) == ["jamie", "knn", "nlma"]
    assert found["n"].tolist() == [3, 1, 2]
    jamie = found.loc["jamie"]
    assert (jamie["mean"], jamie["sd"]) == pytest.approx((0.8, 0.1))
    # 4.302653 is the 97.5 % quantile of Student's t with 2 degrees of freedom, from any table
    assert (jamie["lower"], jamie["upper"]) == pytest.approx((0.8 - 0.248414, 0.8 + 0.248414), abs=1e-6)
    expected = stats.t.interval(0.95, 1, 0.5, stats.sem([0.4, 0.6]))
    assert (found.loc["nlma", "lower"], found.loc["nlma", "upper"]) == pytest.approx(expected)


def test_a_single_value_has_no_sd_and_no_interval(table):
    knn = summarize(table, ["method"]).set_index("method").loc["knn"]
    assert knn["mean"] == 0.5
    assert knn[["sd", "lower", "upper"]].isna().all()


def test_groups_may_have_missing_names_and_other_columns_of_values(table):
    table = table.assign(label=[None, None, None, "x", "x", "y", "y"], seconds=range(7))
    found = summarize(table, ["label"], value="seconds")
    assert found["mean"].tolist() == [1.0, 3.5, 5.5]
    assert list(found.columns) == ["label", "mean", "sd", "lower", "upper", "n"]
