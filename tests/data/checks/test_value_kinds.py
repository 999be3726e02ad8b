"""What values look like, whatever was done to the counts behind them."""

import numpy as np
import pytest
from scipy import sparse

from jamie.data.checks.value_kinds import kind_of

GENERATOR = np.random.default_rng(0)
COUNTS = GENERATOR.poisson(GENERATOR.gamma(0.5, 6.0, 60) * GENERATOR.uniform(0.5, 2, (40, 1))).astype(np.float32)
SHARES = COUNTS / COUNTS.sum(axis=1, keepdims=True)
LOGS = np.log1p(1e4 * SHARES)
KINDS = {
    "counts": (COUNTS, "counts"),
    "open or closed": (COUNTS > 0, "counts"),
    "expected counts": (COUNTS * GENERATOR.uniform(0.8, 1.3, COUNTS.shape), "fractions"),
    "per million": (1e6 * SHARES, "normalised"),
    "per million, some features": (1e6 * SHARES[:, :30], "normalised"),
    "logarithms": (LOGS, "logarithms"),
    "of some features": (LOGS[:, :30], "logarithms"),
    "without depth": (np.log1p(COUNTS), "logarithms"),
    "to base 2": (np.log2(1 + 1e4 * SHARES), "logarithms"),
    "scaled": ((LOGS - LOGS.mean(axis=0)) / (LOGS.std(axis=0) + 1e-6), "scaled"),
    "log-ratios": (np.log1p(COUNTS) - np.log1p(COUNTS).mean(axis=1, keepdims=True), "log-ratios"),
    "background taken off": (3 * (np.log1p(COUNTS) - np.log1p(COUNTS).mean(axis=0)) - 1, "signed"),
    "rates": (GENERATOR.beta(1, 3, (40, 60)), "fractions"),
    "nothing": (np.zeros((40, 60)), "counts"),
}


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize(("values", "kind"), KINDS.values(), ids=KINDS.keys())
def test_values_are_told_by_what_they_look_like(values, kind, form):
    assert kind_of(form(np.asarray(values, np.float32))) == kind


def test_missing_values_tell_nothing():
    X = LOGS.astype(np.float32)
    X[::3, ::2] = np.nan
    assert kind_of(X) == "logarithms"
