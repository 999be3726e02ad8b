"""Inferers of an unknown correspondence."""

from __future__ import annotations

import math
from contextlib import suppress

import numpy as np

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Inferred
from jamie.core.data import View
from jamie.core.errors import DataError
from jamie.core.interfaces import CorrespondenceInferer
from jamie.testing import controls, toy
from jamie.testing.assertions import build, dense, require, require_equal, require_is, unmodified

SIDES = (("rna", "atac"), ("atac", "rna"))  # n_a < n_b, and n_a > n_b


def check_fits_either_size(component: type[CorrespondenceInferer]) -> None:
    """With n_a < n_b and n_a > n_b there is a row for each cell of a, a column for each of b, and some new pair."""
    for a, b in SIDES:
        known = _known(a, b)
        inferred = _infer(component, _view(component, a), _view(component, b), known).correspondence
        expected = (len(toy.CELLS[a]), len(toy.CELLS[b]))
        require_is(component, "one row and one column for each cell", inferred.shape, expected)
        n_new = inferred.without(known).n_pairs
        require(n_new > 0, component, "finds partners", expected="some pair that is not known", found="none")


def check_confidences_are_fractions(component: type[CorrespondenceInferer]) -> None:
    """Each cell's confidence lies between 0 and 1."""
    for a, b in SIDES:
        _infer(component, _view(component, a), _view(component, b))  # the public method refuses any others


def check_diagnostics_are_plain(component: type[CorrespondenceInferer]) -> None:
    """Diagnostics are finite numbers, booleans and text; a residual of the constraints is not negative."""
    for name, value in _infer(component, _view(component, "rna"), _view(component, "atac")).diagnostics.items():
        plain = isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value))
        require(plain, component, f"diagnostic '{name}'", expected="a finite number, boolean or text", found=value)
        if name == "residual":
            require(float(value) >= 0, component, "a residual is a size", expected=">= 0", found=value)


def check_same_seed_same_result(component: type[CorrespondenceInferer]) -> None:
    """The seed of the context decides all randomness."""
    first, second = (
        _infer(component, _view(component, "rna"), _view(component, "atac")).correspondence for _ in range(2)
    )
    require_equal(component, "the same seed gives the same result", second, first)


def check_leaves_inputs_alone(component: type[CorrespondenceInferer]) -> None:
    """Scores, matrices and known pairs are not modified, nor kept."""
    a, b, known = _view(component, "rna"), _view(component, "atac"), _known("rna", "atac")
    order = Context(seed=1).generator().permutation(a.n_cells)
    shuffled, pairs = a.subset(order), known.subset(order, np.arange(b.n_cells))
    with unmodified(component, a=shuffled, b=b, known=pairs):
        build(component)._infer(shuffled, b, pairs, Context())  # the inner method, as the public one passes copies
    with unmodified(component, a=a, b=b, known=known):
        _infer(component, a, b, known)


def check_works_without_known_pairs_or_refuses(component: type[CorrespondenceInferer]) -> None:
    """An inferer that needs known pairs refuses to go on without, by a `DataError`."""
    with suppress(DataError):
        n_pairs = (
            build(component)
            .infer(_view(component, "rna"), _view(component, "atac"), None, Context())
            .correspondence.n_pairs
        )
        require(n_pairs > 0, component, "works without known pairs", expected="pairs", found="none")


def check_recovers_an_isometric_copy(component: type[CorrespondenceInferer]) -> None:
    """Positive control: in a rotated copy with half of the pairs known, the others are found above chance."""
    control = controls.isometric_copy()
    inferred = dense(_infer(component, control.a, control.b, control.known).correspondence.matrix)
    rows, columns = control.truth.without(control.known).pairs()
    # barycentric projection of a cell of a into b, so that near misses on a trajectory count
    projected = inferred[rows] @ control.b.scores / np.maximum(inferred[rows].sum(1, keepdims=True), 1e-12)
    distances = np.linalg.norm(projected[:, None] - control.b.scores[None], axis=2)
    nearer = (distances < distances[np.arange(len(rows)), columns][:, None]).mean(1)
    require(
        nearer.mean() < 0.25,
        component,
        "a cell of an isometric copy is nearer to its partner than to others (chance 0.5; 0 is perfect)",
        expected="a mean fraction of cells nearer than the partner below 0.25",
        found=round(float(nearer.mean()), 3),
    )


def _infer(component: type[CorrespondenceInferer], a: View, b: View, known: Correspondence | None = None) -> Inferred:
    inferer = build(component)
    a, b = toy.with_elements(a, inferer), toy.with_elements(b, inferer)
    return inferer.infer(a, b, known or _known(a.modality, b.modality), Context(seed=3))


def _view(component: type[CorrespondenceInferer], modality: str) -> View:
    return toy.with_elements(toy.view(modality), build(component))


def _known(a: str, b: str) -> Correspondence:
    """(n_a, n_b) pairs of the toy cells that are in both modalities."""
    return Correspondence.from_names(toy.obs(a).index, toy.obs(b).index)
