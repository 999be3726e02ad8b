"""Metrics, each on controls of what it reads: an embedding, imputed values or a correspondence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, TypeAlias

import numpy as np
from scipy import sparse

from jamie.core.evaluation import EmbeddedPair, ImputedPair, MatchedPair
from jamie.core.interfaces import Metric
from jamie.testing import controls
from jamie.testing.clause import build, require, require_equal, unmodified

Subject: TypeAlias = EmbeddedPair | ImputedPair | MatchedPair


@dataclass(frozen=True)
class _Controls:
    """What is perfect, what is unrelated to the truth, what is the same for every cell; and their names."""

    perfect: Callable[[], Subject]
    unrelated: Callable[[], Subject]
    collapsed: Callable[[], Subject]
    names: tuple[str, str, str]

    def all(self) -> tuple[Subject, Subject, Subject]:
        return self.perfect(), self.unrelated(), self.collapsed()


_CONTROLS = {
    EmbeddedPair: _Controls(
        controls.perfect_embedding,
        controls.independent_noise,
        controls.collapsed_embedding,
        ("a perfect embedding", "independent noise", "a collapsed embedding"),
    ),
    ImputedPair: _Controls(
        controls.perfect_imputation,
        controls.independent_imputation,
        controls.constant_imputation,
        ("a perfect imputation", "an independent one", "the training mean for every cell"),
    ),
    MatchedPair: _Controls(
        controls.perfect_matching,
        controls.uniform_matching,
        controls.absent_matching,
        ("a perfect matching", "a uniform one", "no matching"),
    ),
}


def check_reads_a_known_subject(component: type[Metric]) -> None:
    """`reads` is an embedding, imputed values or a correspondence."""
    known = " or ".join(subject.__name__ for subject in _CONTROLS)
    require(component.reads in _CONTROLS, component, "reads", expected=known, found=component.reads)


def check_stays_in_bounds(component: type[Metric]) -> None:
    """Perfect, unrelated and collapsed results score within `bounds`, and so do their features."""
    low, high = component.bounds
    for subject in _controls(component).all():
        score = build(component).score(subject)
        inside = np.ndim(score.value) == 0 and low <= score.value <= high
        require(inside, component, "the value lies in bounds", expected=component.bounds, found=score.value)


def check_tells_perfect_from_noise(component: type[Metric]) -> None:
    """A perfect result is better than an unrelated one, in the sense of `higher_is_better`.

    A metric of the embedding that requires neither labels nor pairs cannot know that noise is noise if modalities are
    mixed in it; it must tell modalities that are mixed from modalities that lie apart.
    """
    given = _controls(component)
    if component.reads is EmbeddedPair and not component.requires:
        _require_better(component, controls.separated_modalities(), "modalities that lie apart")
    else:
        _require_better(component, given.unrelated(), given.names[1])


def check_tells_perfect_from_collapsed(component: type[Metric]) -> None:
    """A perfect result is better than one that is the same for every cell."""
    given = _controls(component)
    _require_better(component, given.collapsed(), given.names[2])


def check_ignores_the_order_of_cells(component: type[Metric]) -> None:
    """Reordering the cells of either modality changes nothing."""
    metric = build(component)
    given = _controls(component)
    for subject in (given.perfect(), given.unrelated()):
        found, expected = metric.score(_reordered(subject)), metric.score(subject)
        same = abs(found.value - expected.value) < 1e-6
        clause = "the order of cells means nothing"
        require(same, component, clause, expected=expected.value, found=found.value)
        for group, values in expected.per_feature.items():
            require_equal(component, clause, found.per_feature[group], values, tolerance=1e-6)


def check_reads_only_what_it_requires(component: type[Metric]) -> None:
    """Without labels, or without partners, it gives the same value, unless `requires` names them."""
    subject, metric = _controls(component).perfect(), build(component)
    without: dict[str, Any] = {}
    if "labels" not in component.requires:
        without |= {f.name: None for f in fields(subject) if f.name.startswith("labels")}
    if "pairs" not in component.requires and not isinstance(subject, ImputedPair):
        without["truth"] = sparse.csr_array(subject.truth.shape)
    found, expected = metric.score(replace(subject, **without)).value, metric.score(subject).value
    require(found == expected, component, f"reads only {set(component.requires)}", expected=expected, found=found)


def check_leaves_inputs_alone(component: type[Metric]) -> None:
    """Nothing that it is given is modified."""
    subject = _controls(component).unrelated()
    given = {f.name: getattr(subject, f.name) for f in fields(subject)}
    arrays = {name: value for name, value in given.items() if isinstance(value, np.ndarray) or sparse.issparse(value)}
    with unmodified(component, **arrays):
        build(component).score(subject)


def _controls(component: type[Metric]) -> _Controls:
    check_reads_a_known_subject(component)
    return _CONTROLS[component.reads]


def _require_better(component: type[Metric], other: Subject, what: str) -> None:
    metric, given = build(component), _controls(component)
    best, worse = metric.score(given.perfect()).value, metric.score(other).value
    require(
        best > worse if component.higher_is_better else best < worse,
        component,
        f"higher_is_better = {component.higher_is_better}: {given.names[0]} scores better than {what}",
        expected=f"a value on the better side of {worse}",
        found=best,
    )


def _reordered(subject: Subject) -> Subject:
    """Return the same with the cells of both modalities in another order; those of an imputation are the same cells."""
    generator = np.random.default_rng(5)
    if isinstance(subject, ImputedPair):
        order = generator.permutation(len(subject.measured))
        cells = ("measured", "imputed", "labels", "lower", "upper")
        return replace(subject, **{name: _taken(getattr(subject, name), order) for name in cells})
    s, t = (generator.permutation(n) for n in subject.truth.shape)
    changed = {
        "truth": subject.truth[s][:, t],
        "labels_source": _taken(subject.labels_source, s),
        "labels_target": _taken(subject.labels_target, t),
    }
    if isinstance(subject, MatchedPair):
        return replace(subject, inferred=subject.inferred[s][:, t], **changed)
    return replace(subject, z_source=subject.z_source[s], z_target=subject.z_target[t], **changed)


def _taken(values: Any, order: np.ndarray) -> Any:
    return None if values is None else values[order]
