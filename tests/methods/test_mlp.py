from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Correspondences
from jamie.core.data import Block, Cells, View
from jamie.core.errors import DataError, TrainingError
from jamie.methods.mlp import MLP
from jamie.methods.ridge import Ridge
from jamie.testing import toy


def folded(n=300):
    """Cells of which b is |a|, which no linear map gives."""
    a = np.random.default_rng(0).normal(size=(n, 3)).astype(np.float32)
    scores = {"a": a, "b": np.abs(a)}
    views = {m: View(m, Block(x, pd.Index(["x", "y", "z"])), x) for m, x in scores.items()}
    known = Correspondence.from_pairs(np.arange(n), np.arange(n), (n, n))
    return Cells(views, scores, Correspondences({"a": n, "b": n}, {("a", "b"): known}))


def test_mlp_learns_what_no_linear_map_can():
    cells = folded()
    new = np.random.default_rng(1).normal(size=(100, 3)).astype(np.float32)
    methods = (MLP(dropout=0, n_hidden=32, learning_rate=1e-2, max_epochs=40), Ridge())
    errors = [
        float(((method.fit(cells, Context()).impute(new, "a", "b").mean - np.abs(new)) ** 2).mean())
        for method in methods
    ]
    variance = np.abs(new).var()
    assert errors[0] < 0.1 * variance
    assert errors[1] > 0.9 * variance


def test_fitting_leaves_the_generator_of_torch_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    MLP(n_hidden=4, max_epochs=2).fit(toy.cells(), Context())
    torch.testing.assert_close(torch.rand(3), expected)


def test_four_pairs_are_too_few():
    cells = toy.cells()
    few = cells.known.between("rna", "atac").keep(np.arange(cells.known.n_pairs) < 4)
    few = replace(cells, known=Correspondences(cells.known.sizes, {("rna", "atac"): few}))
    with pytest.raises(DataError, match=r"method 'mlp': expected at least 5 known pairs of rna and atac .* found 4"):
        MLP().fit(few, Context())


def test_a_loss_that_is_not_finite_ends_training():
    cells = folded(20)
    huge = replace(cells, targets={m: np.full_like(x, 1e30) for m, x in cells.targets.items()})
    with pytest.raises(TrainingError, match="expected a finite loss, found inf in epoch 1\n  lower learning_rate"):
        MLP(max_epochs=3).fit(huge, Context())
