"""Calibration over members that were fitted without different cells."""

import logging

import numpy as np
import pandas as pd
import pytest

from jamie.core import lazy_matrix
from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Correspondences
from jamie.core.data import Block, Dataset, ModalityData, Split
from jamie.preprocess.chain import Chain
from jamie.preprocess.prepare import Prepared
from jamie.training import calibrate_model
from jamie.training.calibrate_model import calibrate_direction
from jamie.trust.fit_calibration import calibrate

N = 60


@pytest.fixture
def cells():
    """Two modalities of the same cells, of which the second holds them in reverse, three times as large."""
    x = np.random.default_rng(0).normal(size=(N, 3)).astype(np.float32)
    data = {}
    for name, X in (("a", x), ("b", 3 * x[::-1] + np.random.default_rng(1).normal(size=x.shape).astype(np.float32))):
        block = Block(X.astype(np.float32), pd.Index([f"{name}{i}" for i in range(3)]))
        data[name] = ModalityData(name, pd.DataFrame(index=[f"{name}{i}" for i in range(N)]), block, block)
    pairs = {("a", "b"): Correspondence.from_pairs(range(N), range(N - 1, -1, -1), (N, N))}
    known = Correspondences({"a": N, "b": N}, pairs)
    split = Split({m: np.ones(N, bool) for m in data})
    chains = {m: Chain([], m).fit(one.input.X, one.obs, one.input.features) for m, one in data.items()}
    scores = {m: chains[m].scores(one.input.X, one.obs, Context()) for m, one in data.items()}
    return Prepared(Dataset(data, known, known), split, chains, chains, scores, scores)


def test_a_cell_is_predicted_by_the_members_fitted_without_it(cells):
    held_out = [np.arange(0, 20), np.arange(10, 30)]
    calls = []

    def predict(member, rows):
        calls.append((member, sorted(rows.tolist())))
        return 3 * cells.scores["a"][rows] + member

    found = calibrate_direction(cells, ("a", "b"), held_out, predict, 0.9)
    assert calls == [(0, list(range(20))), (1, list(range(10, 30)))]
    shift = np.repeat([0, 0.5, 1], 10)[:, None]  # the mean of two members where both do without a cell
    expected = calibrate(3 * cells.scores["a"][:30] + shift, cells.dataset.modalities["b"].target.X[::-1][:30])
    for name, values in expected.state().items():
        np.testing.assert_allclose(found.state()[name], values, rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("single", [False, True])
def test_very_many_values_are_calibrated_while_they_are_made(cells, single, monkeypatch):
    asked = []

    def variance(rows, columns=None):
        asked.append(columns)
        if single:
            return None
        values = np.square(cells.scores["a"][rows] + 1)
        return values if columns is None else values[:, columns]

    def found():
        return calibrate_direction(
            cells, ("a", "b"), [np.arange(N)], lambda member, rows: 2 * cells.scores["a"][rows], 0.9, variance
        ).state()

    expected = found()
    assert asked == [None]
    monkeypatch.setattr(lazy_matrix, "PANEL_VALUES", 2 * N)  # of two of the three features
    for name, values in found().items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-5, atol=1e-6, err_msg=name)
    assert [columns.tolist() for columns in asked[1:]] == ([[0]] if single else [[0], [0, 1, 2]])


def test_very_many_cells_are_thinned_evenly(cells, monkeypatch):
    monkeypatch.setattr(calibrate_model, "MAX_VALUES", 1)
    monkeypatch.setattr(calibrate_model, "MAX_CELLS", 20)
    found = calibrate_direction(cells, ("a", "b"), [np.arange(N)], lambda member, rows: cells.scores["a"][rows], 0.9)
    assert found.n.tolist() == [20, 20, 20]
    monkeypatch.setattr(calibrate_model, "MOST_CELLS", 15)
    found = calibrate_direction(cells, ("a", "b"), [np.arange(N)], lambda member, rows: cells.scores["a"][rows], 0.9)
    assert found.n.tolist() == [15, 15, 15]


def test_too_few_cells_give_no_intervals_and_say_so(cells, caplog):
    with caplog.at_level(logging.WARNING):
        found = calibrate_direction(
            cells, ("b", "a"), [np.arange(8)], lambda member, rows: cells.scores["b"][rows], 0.9
        )
    assert found is None
    assert "b to a: 8 matched calibration cells are too few for intervals with a coverage of 90 %" in caplog.text
