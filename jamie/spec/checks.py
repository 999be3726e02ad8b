"""Checks of a spec as a whole: settings that do not fit each other."""

from __future__ import annotations

from collections.abc import Iterable

from jamie.core.interfaces import Loss
from jamie.spec.problem import Mark, SpecProblem
from jamie.spec.sections import Spec


def cross_problems(spec: Spec, problems: Iterable[SpecProblem]) -> list[SpecProblem]:
    """Return what does not fit together, as far as sections are right by themselves.

    Parameters
    ----------
    spec
        What `problems` speak of may be None in it.
    problems
        Those of single settings.
    """
    wrong = {problem.key.split(".")[0] for problem in problems}
    found = [] if "training" in wrong else _epoch_problems(spec)
    found += [] if wrong & {"losses", "correspondence"} else _weight_problems(spec)
    found += (
        [] if "evaluate" in wrong else [*_holdout_problems(spec), *_compare_problems(spec), *_interval_problems(spec)]
    )
    found += [] if wrong & {"correspondence", "until"} else _until_problems(spec)
    found += [] if wrong & {"losses", "modalities"} else _target_problems(spec)
    if wrong.isdisjoint(("correspondence", "evaluate")):
        right = [name for name, term in (spec.losses or {}).items() if term is not None]
        found += [problem for name in right for problem in _correspondence_problems(spec, name)]
    return found


def _epoch_problems(spec: Spec) -> list[SpecProblem]:
    least, most = spec.training.resolved_min_epochs, spec.training.max_epochs
    if least <= most:
        return []
    keys = ("training.min_epochs", "training.max_epochs")
    key = next((key for key in keys if key in spec._marks), keys[0])
    message = (
        f"expected min_epochs <= max_epochs, found {least} > {most}; annealing runs over min_epochs, "
        "and the best state is kept among the epochs after them"
    )
    fix = f"set training.min_epochs to at most {most}, or to null for four fifths of max_epochs"
    return [SpecProblem(spec._marks.get(key, Mark()), key, message, (fix,))]


def _holdout_problems(spec: Spec) -> list[SpecProblem]:
    """Ways of holding out that exclude each other, or lack one another."""
    cells, pairs = spec.evaluate.holdout, spec.evaluate.known_pairs
    key, set_file = "evaluate.holdout", "set file as well"
    table = [
        (f"{key}.fold", cells.fold is not None and cells.folds is None, "fold needs folds", "set folds as well"),
        (f"{key}.group", bool(cells.file and cells.group), "expected file or group, found both", "keep one"),
        (f"{key}.folds", bool(cells.file and cells.folds), "expected file or folds, found both", "keep one"),
        (f"{key}.column", bool(cells.column and not cells.file), "column needs file", set_file),
        ("evaluate.known_pairs.column", bool(pairs.column and not pairs.file), "column needs file", set_file),
    ]
    if cells.folds is not None and cells.fold is not None:
        problem = f"expected fold from 0 to {cells.folds - 1}, found {cells.fold}"
        table.append((f"{key}.fold", cells.fold >= cells.folds, problem, "folds are counted from 0"))
    return [SpecProblem(spec._marks.get(name, Mark()), name, text, (fix,)) for name, wrong, text, fix in table if wrong]


def _compare_problems(spec: Spec) -> list[SpecProblem]:
    """Methods that are named again with the same parameters: their results would be the same."""
    found, methods = [], spec.evaluate.compare
    for position, ref in enumerate(methods):
        if any((ref.name, ref.params) == (other.name, other.params) for other in methods[:position]):
            key = f"evaluate.compare[{position}]"
            mark = spec._marks.get(key, spec._marks.get("evaluate.compare", Mark()))
            message = f"expected each method once, found {ref.name} again with the same parameters"
            found.append(SpecProblem(mark, key, message, ("leave it out",)))
    return found


def _interval_problems(spec: Spec) -> list[SpecProblem]:
    """Methods that are to get intervals, and are not there or have no cells to be calibrated on."""
    key, methods = "evaluate.intervals.methods", spec.evaluate.intervals.methods
    compared = sorted({ref.name for ref in spec.evaluate.compare})
    mark, found = spec._marks.get(key, Mark()), []
    for name in dict.fromkeys(methods):
        if name not in compared:
            message = f"expected methods of evaluate.compare ({', '.join(compared) or 'none'}), found '{name}'"
            found.append(SpecProblem(mark, key, message, ("add it to evaluate.compare",)))
    if methods and spec.training is not None and not spec.training.calibration:
        message = "intervals are calibrated on cells that are set aside, and training.calibration is 0"
        found.append(SpecProblem(mark, key, message, ("set training.calibration, such as 0.1",)))
    return found


def _until_problems(spec: Spec) -> list[SpecProblem]:
    if spec.until is None or spec.correspondence.infer is not None:
        return []
    message = f"the run is to stop after the stage {spec.until}, and correspondence.infer is null"
    return [SpecProblem(spec._marks.get("until", Mark()), "until", message, ("set correspondence.infer",))]


def _weight_problems(spec: Spec) -> list[SpecProblem]:
    nothing_inferred = spec.correspondence is not None and spec.correspondence.infer is None
    heavy = [term.component.cls for term in spec.losses.values() if term is not None and term.weight > 0]
    if any("inferred" not in cls.requires or not nothing_inferred for cls in heavy):
        return []
    message = "expected at least one loss with a weight above 0"
    if heavy:
        message += " that does without an inferred correspondence, as correspondence.infer is null"
    fix = "give one a weight, such as `losses: {reconstruction: 31.25}`"
    return [SpecProblem(spec._marks.get("losses", Mark()), "losses", message, (fix,))]


def _target_problems(spec: Spec) -> list[SpecProblem]:
    """Losses that encode what was decoded, where a decoder predicts something else than its encoder reads."""
    others = [name for name, modality in spec.modalities.items() if modality and modality.target is not None]
    names = [name for name, term in spec.losses.items() if term and "shared" in term.component.cls.requires]
    found = []
    for name in names if others else []:
        message = f"{name} encodes what was decoded, and {others[0]} has a target that its encoder does not read"
        fix = f"leave modalities.{others[0]}.target out, or the loss, with `losses: {{{name}: null}}`"
        found.append(SpecProblem(spec._marks.get(f"losses.{name}", Mark()), f"losses.{name}", message, (fix,)))
    return found


def _correspondence_problems(spec: Spec, name: str) -> list[SpecProblem]:
    cls: type[Loss] = spec.losses[name].component.cls
    key, without = f"losses.{name}", f"`losses: {{{name}: null}}`"
    mark = spec._marks.get(key, Mark())
    nothing_known = spec.correspondence.known.name == "none" or spec.evaluate.known_pairs.fraction == 0
    if "known" in cls.requires and nothing_known:
        message = f"{name} reads known pairs, and none are known"
        return [SpecProblem(mark, key, message, (f"set correspondence.known, or leave the loss out with {without}",))]
    return []
