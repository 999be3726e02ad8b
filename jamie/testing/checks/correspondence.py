"""Inferers of the correspondence that is not known."""

from __future__ import annotations

import math

import numpy as np
from scipy import sparse

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Inferred
from jamie.core.data import View
from jamie.core.errors import DataError
from jamie.core.interfaces import CorrespondenceInferer
from jamie.testing import controls, toy
from jamie.testing.clause import build, dense, require, require_equal, unmodified

SIDES = (("rna", "atac"), ("atac", "rna"))  # n_a < n_b, and n_a > n_b


def check_fits_either_size(component: type[CorrespondenceInferer]) -> None:
    """With n_a < n_b and n_a > n_b there is a row for each cell of a, a column for each of b, and some new pair."""
    for (a, b), known in zip(SIDES, (_known(), _known().T), strict=True):
        found = _infer(component, toy.view(a), toy.view(b), known)
        expected = (len(toy.CELLS[a]), len(toy.CELLS[b]))
        require(
            found.correspondence.shape == expected,
            component,
            "one row and one column for each cell",
            expected=expected,
            found=found.correspondence.shape,
        )
        new = found.correspondence.without(known)
        require(new.n_pairs > 0, component, "finds partners", expected="some pair that it was not told", found="none")


def check_confidences_are_fractions(component: type[CorrespondenceInferer]) -> None:
    """Each cell's confidence lies between 0 and 1."""
    for a, b in SIDES:
        _infer(component, toy.view(a), toy.view(b))  # the public method refuses others, in a run too


def check_diagnostics_are_plain(component: type[CorrespondenceInferer]) -> None:
    """Diagnostics are finite numbers, flags and words; a residual of the constraints is not negative."""
    for name, value in _infer(component, toy.view("rna"), toy.view("atac")).diagnostics.items():
        plain = isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value))
        require(plain, component, f"diagnostic '{name}'", expected="a finite number, a flag or a word", found=value)
        if name == "residual":
            require(float(value) >= 0, component, "a residual is a size", expected=">= 0", found=value)


def check_same_seed_same_result(component: type[CorrespondenceInferer]) -> None:
    """The seed of the context decides all randomness."""
    first, second = (_infer(component, toy.view("rna"), toy.view("atac")).correspondence for _ in range(2))
    require_equal(component, "the same seed gives the same result", second.matrix, first.matrix)


def check_leaves_inputs_alone(component: type[CorrespondenceInferer]) -> None:
    """Scores, matrices and known pairs are not modified, nor held on to."""
    a, b, known = toy.view("rna"), toy.view("atac"), _known()
    order = Context(seed=1).generator().permutation(a.n_cells)
    shuffled = a.subset(order)
    with unmodified(component, scores_a=shuffled.scores, X=shuffled.block.X, scores_b=b.scores, known=known.matrix):
        # the inner method: what the public one hands on is a copy of its own
        build(component)._infer(shuffled, b, known.subset(order, np.arange(b.n_cells)), Context())
    with unmodified(component, scores_a=a.scores, scores_b=b.scores, known=known.matrix):
        _infer(component, a, b, known)


def check_works_without_known_pairs_or_says_so(component: type[CorrespondenceInferer]) -> None:
    """An inferer that needs known pairs refuses to go on without, by a `DataError`."""
    try:
        found = build(component).infer(toy.view("rna"), toy.view("atac"), None, Context())
    except DataError:
        return
    require(found.correspondence.n_pairs > 0, component, "works without known pairs", expected="pairs", found="none")


def check_recovers_an_isometric_copy(component: type[CorrespondenceInferer]) -> None:
    """Positive control: in a turned and reordered copy, told of half the pairs, the others are found above chance."""
    control = controls.isometric_copy()
    found = dense(_infer(component, control.a, control.b, control.known).correspondence.matrix)
    rows, columns = control.truth.without(control.known).pairs()
    # where the matching puts a cell of a among those of b; near misses count, as they should on a trajectory
    places = found[rows] @ control.b.scores / np.maximum(found[rows].sum(1, keepdims=True), 1e-12)
    distances = np.linalg.norm(places[:, None] - control.b.scores[None], axis=2)
    nearer = (distances < distances[np.arange(len(rows)), columns][:, None]).mean(1)
    require(
        nearer.mean() < 0.25,
        component,
        "a cell of an isometric copy is put nearer to its partner than to others (chance 0.5; 0 is perfect)",
        expected="a mean fraction of cells nearer than the partner below 0.25",
        found=round(float(nearer.mean()), 3),
    )


def _infer(component: type[CorrespondenceInferer], a: View, b: View, known: Correspondence | None = None) -> Inferred:
    known = known or (_known() if a.modality == "rna" else _known().T)
    return build(component).infer(a, b, known, Context(seed=3))


def _known() -> Correspondence:
    """(n_rna, n_atac) pairs of the toy cells that occur in both."""
    rna, atac = (toy.obs(m).index.to_numpy() for m in ("rna", "atac"))
    return Correspondence(sparse.csr_array((rna[:, None] == atac[None, :]).astype(np.float32)))
