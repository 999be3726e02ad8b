import logging

import numpy as np
import pandas as pd
import torch
from scipy import sparse

from jamie.preprocess.select_features import SelectFeatures

NAMES = pd.Index([f"g{i}" for i in range(12)])


def test_select_features_keeps_the_most_variable_in_order(counts, csr, cells):
    expected = np.sort(np.argsort(counts[:30].var(axis=0))[-4:])
    for X in (counts, csr):
        step = SelectFeatures(n_features=4).fit(X[:30], cells(30))
        found = step.transform(X, cells(40))
        assert sparse.issparse(found) == sparse.issparse(X)
        np.testing.assert_array_equal(found.toarray() if sparse.issparse(found) else found, counts[:, expected])
        assert list(step.feature_names_out(NAMES)) == list(NAMES[expected])


def test_select_features_left_out_come_back_as_their_training_mean(counts, csr, cells):
    for X in (counts, csr):
        step = SelectFeatures(n_features=4).fit(X[:30], cells(30))
        back = step.inverse_transform(step.transform(X, cells(40)))
        expected = np.tile(counts[:30].mean(axis=0), (40, 1))
        expected[:, step.index] = counts[:, step.index]
        np.testing.assert_allclose(back, expected, rtol=1e-6)


def test_select_features_affine_and_module_equal_transform(dense, cells):
    step = SelectFeatures(n_features=4).fit(dense, cells(40))
    A, b = step.affine()
    expected = step.transform(dense, cells(40))
    np.testing.assert_allclose(dense @ A + b, expected, rtol=1e-6)
    np.testing.assert_array_equal(step.as_module()(torch.as_tensor(dense)), expected)


def test_select_features_keeps_all_with_a_notice_where_there_are_fewer(dense, cells, caplog):
    with caplog.at_level(logging.WARNING, "jamie"):
        step = SelectFeatures().fit(dense, cells(40))
    assert "select_features: all 12 features instead of 2000" in caplog.text
    np.testing.assert_array_equal(step.transform(dense, cells(40)), dense)


def test_select_features_state(dense, cells):
    step = SelectFeatures(n_features=4).fit(dense, cells(40))
    again = SelectFeatures(n_features=4).set_state(*step.state())
    np.testing.assert_array_equal(
        again.inverse_transform(again.transform(dense, cells(40))),
        step.inverse_transform(step.transform(dense, cells(40))),
    )
