from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Correspondences
from jamie.core.data import Block, Cells, View
from jamie.core.errors import DataError
from jamie.methods.babel import BABEL
from jamie.testing import toy


def linear_maps(n=200, n_new=40):
    """Two linear maps of the same two latents, and new cells."""
    generator = np.random.default_rng(0)
    latents = generator.normal(size=(n + n_new, 2))
    all_scores = {m: (latents @ generator.normal(size=(2, p))).astype(np.float32) for m, p in (("a", 5), ("b", 4))}
    scores = {m: x[:n] for m, x in all_scores.items()}
    views = {m: View(m, Block(x, pd.Index(range(x.shape[1]))), x) for m, x in scores.items()}
    known = Correspondence.from_pairs(np.arange(n), np.arange(n), (n, n))
    cells = Cells(views, scores, Correspondences({"a": n, "b": n}, {("a", "b"): known}))
    return cells, {m: x[n:] for m, x in all_scores.items()}


def test_babel_translates_linear_maps_of_the_same_latents():
    cells, new = linear_maps()
    method = BABEL(n_components=2, n_hidden=16, learning_rate=1e-2, weight_decay=0, max_epochs=80)
    method.fit(cells, Context())
    for a, b in (("a", "b"), ("b", "a")):
        error = ((method.impute(new[a], a, b).mean - new[b]) ** 2).mean()
        assert error < 0.1 * new[b].var()


def test_the_loss_is_that_of_all_four_paths():
    method = BABEL(n_components=2, cross_weight=3.0, max_epochs=1).fit(toy.cells(), Context())
    x = {m: torch.as_tensor(toy.view(m).scores[:6]) for m in ("rna", "atac")}
    y = {"rna": x["rna"], "atac": torch.as_tensor(np.log1p(toy.counts("atac")[:6]))}
    found = method._four_paths(x, y).item()
    expected = 0.0
    for a, b in (("rna", "rna"), ("rna", "atac"), ("atac", "rna"), ("atac", "atac")):
        latents = method._encoders[a](x[a])
        expected += (1 if a == b else 3) * ((method._decoders[b](latents) - y[b]) ** 2).mean().item()
    assert found == pytest.approx(expected, rel=1e-5)


def test_imputed_values_are_the_decoded_latents():
    cells = toy.cells()
    method = BABEL(**BABEL.test_params()).fit(cells, Context())
    z = method.embed(cells.scores)["rna"]
    with torch.no_grad():
        expected = method._decoders["atac"](torch.as_tensor(z)).numpy()
    np.testing.assert_allclose(method.impute(cells.scores["rna"], "rna", "atac").mean, expected, rtol=1e-5, atol=1e-6)


def test_cells_without_a_known_partner_are_not_trained_on():
    cells = toy.cells()
    rows, _ = cells.pairs("rna", "atac")
    x = cells.scores["rna"].copy()
    x[np.setdiff1d(np.arange(len(x)), rows)] += 100
    moved = replace(
        cells,
        views={**cells.views, "rna": replace(cells.views["rna"], scores=x)},
        targets={**cells.targets, "rna": x},
    )
    one, other = (BABEL(**BABEL.test_params()).fit(c, Context()).embed(cells.scores) for c in (cells, moved))
    np.testing.assert_array_equal(one["rna"], other["rna"])


def test_four_pairs_are_too_few():
    cells = toy.cells()
    few = cells.known.between("rna", "atac").keep(np.arange(cells.known.n_pairs) < 4)
    few = replace(cells, known=Correspondences(cells.known.sizes, {("rna", "atac"): few}))
    with pytest.raises(DataError, match=r"method 'babel': expected at least 5 known pairs of rna and atac .* found 4"):
        BABEL().fit(few, Context())


def test_modalities_may_have_names_that_torch_refuses():
    cells, new = linear_maps()
    names = {"a": "rna v1.2", "b": "type"}
    known = Correspondences({"rna v1.2": 200, "type": 200}, {("rna v1.2", "type"): cells.known.between("a", "b")})
    views = {names[m]: replace(view, modality=names[m]) for m, view in cells.views.items()}
    named = Cells(views, {names[m]: y for m, y in cells.targets.items()}, known)
    one, other = (BABEL(**BABEL.test_params()).fit(c, Context()) for c in (cells, named))
    np.testing.assert_array_equal(other.impute(new["a"], "rna v1.2", "type").mean, one.impute(new["a"], "a", "b").mean)
