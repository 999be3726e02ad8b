"""Metrics, each on controls of what it reads: an embedding, imputed values or a correspondence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, TypeAlias

import numpy as np
from scipy import sparse

from jamie.core.evaluation import EmbeddedPair, ImputedPair, MatchedPair
from jamie.core.interfaces import Metric
from jamie.testing import controls
from jamie.testing.assertions import build, require, require_equal, require_is, unmodified

Pair: TypeAlias = EmbeddedPair | ImputedPair | MatchedPair
Control: TypeAlias = tuple[str, Callable[[], Pair]]
_CONTROLS: dict[type, tuple[Control, Control, Control]] = {
    EmbeddedPair: (
        ("a perfect embedding", controls.perfect_embedding),
        ("independent noise", controls.independent_noise),
        ("a collapsed embedding", controls.collapsed_embedding),
    ),
    ImputedPair: (
        ("a perfect imputation", controls.perfect_imputation),
        ("an independent one", controls.independent_imputation),
        ("the training mean for every cell", controls.constant_imputation),
    ),
    MatchedPair: (
        ("a perfect matching", controls.perfect_matching),
        ("a uniform one", controls.uniform_matching),
        ("no matching", controls.absent_matching),
    ),
}
"""A perfect result, one unrelated to the truth, and one that is the same for every cell."""


def check_reads_a_known_pair(component: type[Metric]) -> None:
    """`reads` is an embedding, imputed values or a correspondence."""
    known = " or ".join(pair.__name__ for pair in _CONTROLS)
    require(component.reads in _CONTROLS, component, "reads", expected=known, found=component.reads)


def check_stays_in_bounds(component: type[Metric]) -> None:
    """Perfect, unrelated and collapsed results score within `bounds`, and so do their features."""
    low, high = component.bounds
    for _, control in _controls(component):
        value = build(component).score(control()).value
        inside = np.ndim(value) == 0 and low <= value <= high
        require(inside, component, "the value lies in bounds", expected=component.bounds, found=value)


def check_perfect_is_better_than_noise(component: type[Metric]) -> None:
    """A perfect result is better than an unrelated one, in the sense of `higher_is_better`.

    A metric of the embedding that requires neither labels nor pairs cannot recognize noise in which the modalities are
    mixed; instead it must prefer mixed to separated modalities.
    """
    noise = _controls(component)[1]
    if component.reads is EmbeddedPair and not component.requires:
        noise = ("separated modalities", controls.separated_modalities)
    _require_worse(component, *noise)


def check_perfect_is_better_than_collapsed(component: type[Metric]) -> None:
    """A perfect result is better than one that is the same for every cell."""
    _require_worse(component, *_controls(component)[2])


def check_ignores_the_order_of_cells(component: type[Metric]) -> None:
    """Reordering the cells of either modality changes nothing."""
    metric = build(component)
    for _, control in _controls(component)[:2]:
        found, expected = metric.score(_reordered(control())), metric.score(control())
        same, clause = abs(found.value - expected.value) < 1e-6, "the order of cells means nothing"
        require(same, component, clause, expected=expected.value, found=found.value)
        per_feature = {group: found.per_feature[group] for group in expected.per_feature}
        require_equal(component, clause, per_feature, expected.per_feature, tolerance=1e-6)


def check_reads_only_what_it_requires(component: type[Metric]) -> None:
    """Without labels, or without partners, it gives the same value, unless `requires` names them."""
    (_, perfect), *_ = _controls(component)
    pair, metric = perfect(), build(component)
    without: dict[str, Any] = {}
    if "labels" not in component.requires:
        without |= {f.name: None for f in fields(pair) if f.name.startswith("labels")}
    if "pairs" not in component.requires and not isinstance(pair, ImputedPair):
        without["truth"] = sparse.csr_array(pair.truth.shape)
    if "scores" not in component.requires:
        without |= {f.name: None for f in fields(pair) if f.name.startswith("scores")}
    found, expected = metric.score(replace(pair, **without)).value, metric.score(pair).value
    require_is(component, f"reads only {set(component.requires)}", found, expected)


def check_leaves_inputs_alone(component: type[Metric]) -> None:
    """The pair is not modified."""
    _, control = _controls(component)[1]
    pair = control()
    with unmodified(component, pair=pair):
        build(component).score(pair)


def _controls(component: type[Metric]) -> tuple[Control, Control, Control]:
    check_reads_a_known_pair(component)
    return _CONTROLS[component.reads]


def _require_worse(component: type[Metric], name: str, control: Callable[[], Pair]) -> None:
    metric, ((best_name, perfect), *_) = build(component), _controls(component)
    best, worse = metric.score(perfect()).value, metric.score(control()).value
    require(
        best > worse if component.higher_is_better else best < worse,
        component,
        f"higher_is_better = {component.higher_is_better}: {best_name} scores better than {name}",
        expected=f"a value on the better side of {worse}",
        found=best,
    )


def _reordered(pair: Pair) -> Pair:
    """Return the pair with its cells in another order: of both modalities, or of the imputed cells."""
    generator = np.random.default_rng(5)
    if isinstance(pair, ImputedPair):
        order = generator.permutation(len(pair.measured))
        of_cells = {name: getattr(pair, name) for name in ("measured", "imputed", "labels", "lower", "upper")}
        return replace(pair, **{name: values[order] for name, values in of_cells.items() if values is not None})
    source, target = (generator.permutation(n) for n in pair.truth.shape)
    changed: dict[str, Any] = {}
    for name, values in vars(pair).items():
        if sparse.issparse(values):
            changed[name] = values[source][:, target]
        elif isinstance(values, np.ndarray):
            changed[name] = values[source if name.endswith("_source") else target]
    return replace(pair, **changed)
