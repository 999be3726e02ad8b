"""Metrics of the latent space."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import sparse

from jamie.core.interfaces import Metric
from jamie.core.scoring import EmbeddedPair
from jamie.testing import controls
from jamie.testing.clause import build, require, unmodified


def check_stays_in_bounds(component: type[Metric]) -> None:
    """Perfect, random and collapsed embeddings score within `bounds`."""
    low, high = component.bounds
    for pair in (controls.perfect_embedding(), controls.independent_noise(), controls.collapsed_embedding()):
        value = build(component).score(pair).value
        inside = np.ndim(value) == 0 and low <= value <= high
        require(inside, component, "the value lies in bounds", expected=component.bounds, found=value)


def check_tells_perfect_from_noise(component: type[Metric]) -> None:
    """A perfect embedding is better than an independent one, in the sense of `higher_is_better`."""
    _require_better(component, controls.independent_noise(), "independent noise")


def check_tells_perfect_from_collapsed(component: type[Metric]) -> None:
    """A perfect embedding is better than one in which all cells are in one point."""
    _require_better(component, controls.collapsed_embedding(), "a collapsed embedding")


def check_ignores_the_order_of_cells(component: type[Metric]) -> None:
    """Reordering the cells of either modality changes nothing."""
    metric = build(component)
    for pair in (controls.perfect_embedding(), controls.independent_noise()):
        found, expected = metric.score(_reordered(pair)).value, metric.score(pair).value
        same = abs(found - expected) < 1e-6
        require(same, component, "the order of cells means nothing", expected=expected, found=found)


def check_reads_only_what_it_requires(component: type[Metric]) -> None:
    """Without labels, or without partners, it gives the same value, unless `requires` names them."""
    pair, metric = controls.perfect_embedding(), build(component)
    bare = pair
    if "labels" not in component.requires:
        bare = replace(bare, labels_source=None, labels_target=None)
    if "pairs" not in component.requires:
        bare = replace(bare, truth=sparse.csr_array(pair.truth.shape))
    found, expected = metric.score(bare).value, metric.score(pair).value
    require(found == expected, component, f"reads only {set(component.requires)}", expected=expected, found=found)


def check_leaves_inputs_alone(component: type[Metric]) -> None:
    """Latents, truth and labels are not modified."""
    pair = controls.perfect_embedding()
    with unmodified(component, z_source=pair.z_source, z_target=pair.z_target, truth=pair.truth):
        build(component).score(pair)


def _require_better(component: type[Metric], other: EmbeddedPair, what: str) -> None:
    metric = build(component)
    best, worse = metric.score(controls.perfect_embedding()).value, metric.score(other).value
    require(
        best > worse if component.higher_is_better else best < worse,
        component,
        f"higher_is_better = {component.higher_is_better}: a perfect embedding scores better than {what}",
        expected=f"a value on the better side of {worse}",
        found=best,
    )


def _reordered(pair: EmbeddedPair) -> EmbeddedPair:
    generator = np.random.default_rng(5)
    s, t = (generator.permutation(len(z)) for z in (pair.z_source, pair.z_target))
    return replace(
        pair,
        z_source=pair.z_source[s],
        z_target=pair.z_target[t],
        truth=pair.truth[s][:, t],
        labels_source=None if pair.labels_source is None else pair.labels_source[s],
        labels_target=None if pair.labels_target is None else pair.labels_target[t],
    )
