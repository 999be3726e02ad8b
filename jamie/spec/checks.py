"""Checks of a spec as a whole: settings that do not fit each other."""

from __future__ import annotations

from jamie.core.interfaces import Loss
from jamie.spec.problem import Mark, Problem
from jamie.spec.sections import Spec

COMPARED = ("correspondence", "evaluate")


def cross_problems(spec: Spec) -> list[Problem]:
    """Return what does not fit together; the sections `COMPARED` must be right, a loss that is not right is None."""
    right = [name for name, term in (spec.losses or {}).items() if term is not None]
    return [problem for name in right for problem in _correspondence_problems(spec, name)]


def _correspondence_problems(spec: Spec, name: str) -> list[Problem]:
    cls: type[Loss] = spec.losses[name].component.cls
    key, without = f"losses.{name}", f"`losses: {{{name}: null}}`"
    mark = spec._marks.get(key, Mark())
    if "inferred" in cls.requires and spec.correspondence.infer is None:
        message = f"{name} reads an inferred correspondence, and correspondence.infer is null"
        return [Problem(mark, key, message, (f"set correspondence.infer, or leave the loss out with {without}",))]
    nothing_known = spec.correspondence.known.name == "none" or spec.evaluate.known_pairs.fraction == 0
    if "known" in cls.requires and nothing_known:
        message = f"{name} reads known pairs, and none are known"
        return [Problem(mark, key, message, (f"set correspondence.known, or leave the loss out with {without}",))]
    return []
