"""Checks of a spec as a whole: settings that do not fit each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields

from jamie.core.requirements import BATCH, LABELS, OBS, describe
from jamie.spec.problem import Mark, SpecProblem
from jamie.spec.sections import Spec


def cross_problems(spec: Spec, problems: Iterable[SpecProblem]) -> list[SpecProblem]:
    """Return what does not fit together, as far as sections are right by themselves.

    Parameters
    ----------
    spec
        Settings that have one of `problems` may be None in it.
    problems
        Those of single settings.
    """
    wrong = {problem.key.split(".")[0] for problem in problems}
    return [problem for check, sections in _CHECKS if wrong.isdisjoint(sections) for problem in check(spec)]


def _problem(spec: Spec, key: str, message: str, fix: str, *, at: str = "") -> SpecProblem:
    """Problem of a key, at its place or, where it is not written, at that of `at`."""
    return SpecProblem(spec._marks.get(key, spec._marks.get(at, Mark())), key, message, (fix,))


def _epoch_problems(spec: Spec) -> Iterator[SpecProblem]:
    least, most = spec.training.resolved_min_epochs, spec.training.max_epochs
    if least > most:
        keys = ("training.min_epochs", "training.max_epochs")
        key = next((key for key in keys if key in spec._marks), keys[0])
        message = (
            f"expected min_epochs <= max_epochs, found {least} > {most}; annealing runs over min_epochs, "
            "and the best state is kept among the epochs after them"
        )
        fix = f"set training.min_epochs to at most {most}, or to null for four fifths of max_epochs"
        yield _problem(spec, key, message, fix)


def _weight_problems(spec: Spec) -> Iterator[SpecProblem]:
    if spec.method is not None:
        return
    nothing_inferred = spec.correspondence is not None and spec.correspondence.infer is None
    weighted = [term.component.cls for term in spec.losses.values() if term is not None and term.weight > 0]
    if not any("inferred" not in cls.requires or not nothing_inferred for cls in weighted):
        message = "expected at least one loss with a weight above 0"
        if weighted:
            message += " that does without an inferred correspondence, as correspondence.infer is null"
        yield _problem(spec, "losses", message, "give one a weight, such as `losses: {reconstruction: 31.25}`")


def _method_problems(spec: Spec) -> Iterator[SpecProblem]:
    """Yield why a method cannot be the model of a run."""
    method = None if spec.method is None else spec.method.cls
    if method is not None and not (method.embeds() or method.imputes()):
        yield _problem(spec, "method", f"{method.name} neither embeds nor imputes", "choose another method")
    elif method is not None and not method.can_be_saved():
        message = f"{method.name} cannot be the model of a run, since it does not say what it fitted (_state)"
        fix = "write _state and _set_state (jamie.Method), or name it under evaluate.compare, which needs neither"
        yield _problem(spec, "method", message, fix)


def _holdout_problems(spec: Spec) -> Iterator[SpecProblem]:
    """Ways of holding out that exclude each other, or lack one another."""
    cells, pairs = spec.evaluate.holdout, spec.evaluate.known_pairs
    key, set_file = "evaluate.holdout", "set file as well"
    table = [
        (f"{key}.fold", cells.fold is not None and cells.folds is None, "fold needs folds", "set folds as well"),
        (f"{key}.group", bool(cells.file and cells.group), "expected file or group, found both", "keep one"),
        (f"{key}.folds", bool(cells.file and cells.folds), "expected file or folds, found both", "keep one"),
        *(
            (
                f"{key}.{name}",
                bool(cells.split and getattr(cells, name)),
                f"expected split or {name}, found both",
                "keep one",
            )
            for name in ("file", "group", "folds")
        ),
        (f"{key}.column", bool(cells.column and not cells.file), "column needs file", set_file),
        ("evaluate.known_pairs.column", bool(pairs.column and not pairs.file), "column needs file", set_file),
    ]
    if cells.folds is not None and cells.fold is not None:
        problem = f"expected fold from 0 to {cells.folds - 1}, found {cells.fold}"
        table.append((f"{key}.fold", cells.fold >= cells.folds, problem, "folds are counted from 0"))
    yield from (_problem(spec, name, text, fix) for name, wrong, text, fix in table if wrong)


def _compare_problems(spec: Spec) -> Iterator[SpecProblem]:
    """Methods that are named again with the same parameters: their results would be the same."""
    methods, model = spec.evaluate.compare, [spec.method] if spec.method is not None else []
    for i, ref in enumerate(methods):
        if any((ref.name, ref.params) == (other.name, other.params) for other in [*model, *methods[:i]]):
            message = f"expected each method once, found {ref.name} again with the same parameters"
            yield _problem(spec, f"evaluate.compare[{i}]", message, "leave it out", at="evaluate.compare")


def _interval_problems(spec: Spec) -> Iterator[SpecProblem]:
    """Methods that are to get intervals, and are absent or have no cells to be calibrated on."""
    key, methods = "evaluate.intervals.methods", spec.evaluate.intervals.methods
    compared = sorted({ref.name for ref in spec.evaluate.compare})
    for name in dict.fromkeys(methods):
        if name not in compared:
            message = f"expected methods of evaluate.compare ({', '.join(compared) or 'none'}), found '{name}'"
            yield _problem(spec, key, message, "add it to evaluate.compare")
    if methods and spec.training is not None and not spec.training.calibration:
        message = "intervals are calibrated on calibration cells, and training.calibration is 0"
        yield _problem(spec, key, message, "set training.calibration, such as 0.1")


def _until_problems(spec: Spec) -> Iterator[SpecProblem]:
    if spec.until is not None and spec.correspondence.infer is None:
        message = f"the run is to stop after the stage {spec.until}, and correspondence.infer is null"
        yield _problem(spec, "until", message, "set correspondence.infer")


def _target_problems(spec: Spec) -> Iterator[SpecProblem]:
    """Losses that encode what was decoded, where a decoder predicts something else than its encoder reads."""
    others = [name for name, modality in spec.modalities.items() if modality and modality.target is not None]
    names = [name for name, term in spec.losses.items() if term and "shared" in term.component.cls.requires]
    for name in names if others else []:
        message = f"{name} encodes what was decoded, and {others[0]} has a target that its encoder does not read"
        fix = f"leave modalities.{others[0]}.target out, or the loss, with `losses: {{{name}: null}}`"
        yield _problem(spec, f"losses.{name}", message, fix)


def _known_problems(spec: Spec) -> Iterator[SpecProblem]:
    """Losses that read known pairs, where none are known."""
    if spec.correspondence.known.name == "none" or spec.evaluate.known_pairs.fraction == 0:
        for name, term in (spec.losses or {}).items():
            if term is not None and "known" in term.component.cls.requires:
                fix = f"set correspondence.known, or leave the loss out with `losses: {{{name}: null}}`"
                yield _problem(spec, f"losses.{name}", f"{name} reads known pairs, and none are known", fix)


def _stack_problems(spec: Spec) -> Iterator[SpecProblem]:
    """Regressions that are named again."""
    members = spec.model.stack.members if spec.model.stack else []
    for name in dict.fromkeys(members):
        if members.count(name) > 1:
            message = f"expected each regression once, found {name} {members.count(name)} times"
            yield _problem(spec, "model.stack.members", message, "name it once")


def _requirement_problems(spec: Spec) -> Iterator[SpecProblem]:
    """Components that ask for what the spec does not grant: labels for training, batches, labels by the back door."""
    scored = [*spec.labels, *spec.train_labels]
    for one in spec.requirements():
        fix = ""
        if one.word == LABELS and not spec.train_labels:
            fix = "name columns of obs in `train_labels`, such as `train_labels: [cell_type]`, or leave it out"
            message = "learns from labels, and no column of obs is granted to training"
        elif one.word == BATCH and spec.batch_key is None:
            message, fix = "reads the cells' batches, and batch_key is null", "set batch_key, or leave it out"
        elif one.word in {f"{OBS}:{column}" for column in scored}:
            message = f'reads {describe(one.word)}, which holds labels; labels are shown as "{LABELS}" alone'
            fix = f'let it declare "{LABELS}", and name the column in `train_labels`'
        if fix:
            yield _problem(spec, one.key, f"{one.component} {message}", fix)


# Each check with the sections that it reads, which must be right by themselves.
_CHECKS = (
    (_epoch_problems, ("training",)),
    (_weight_problems, ("losses", "correspondence", "method")),
    (_method_problems, ("method",)),
    (_holdout_problems, ("evaluate",)),
    (_compare_problems, ("evaluate", "method")),
    (_stack_problems, ("model",)),
    (_interval_problems, ("evaluate",)),
    (_until_problems, ("correspondence", "until")),
    (_target_problems, ("losses", "modalities")),
    (_known_problems, ("correspondence", "evaluate")),
    (_requirement_problems, tuple(f.name for f in fields(Spec))),
)
