"""A spec of several runs: a grid over settings, repeated over seeds and folds, into one checked spec for each run."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jamie.core.errors import SpecError
from jamie.core.registry import Registry
from jamie.core.schema import fields_of
from jamie.spec.evaluate_section import EvaluateSection
from jamie.spec.load import Draft, SpecSource, check, draft_spec
from jamie.spec.node import Node, at
from jamie.spec.overrides import Override, path_of
from jamie.spec.problem import Mark, SpecProblem, spec_error
from jamie.spec.resolve import Resolver
from jamie.spec.sections import Header, Spec
from jamie.spec.values import describe_value

SEED, SEEDS = "seed", "evaluate.seeds"
FOLD = "evaluate.holdout.fold"
REPEAT = "repeat"  # no key of a spec: the same run again, to measure it
ORDERS = ("evaluate.known_pairs.column", "evaluate.holdout.column")  # random orders of the cells in a file
MOST_RUNS = 10_000
MOST_WRONG = 30  # combinations that are checked once one is wrong
REPEATED = (SEED, FOLD, *ORDERS, REPEAT)
SWEEP = "sweep"
UNSWEPT = {
    SWEEP: "a sweep has no sweep in it",
    "name": "the runs are named after what is swept",
    "plugins": "name all files under plugins; components are swept by their name",
    SEEDS: "write `evaluate: {seeds: [0, 1, 2]}` beside the sweep, or sweep seed",
    **dict.fromkeys(fields_of(Header), "sweep the settings that differ"),
}


@dataclass(frozen=True)
class SweepRun:
    """One planned run of a sweep.

    Parameters
    ----------
    values
        Settings in which it differs from the others, by dotted key, as written.
    spec
        Of this run alone.
    """

    values: Mapping[str, Any]
    spec: Spec


@dataclass(frozen=True)
class Sweep:
    """Several runs.

    Parameters
    ----------
    spec
        Of all of them, defaults filled in; it gives the same runs again.
    runs
        Repetitions next to each other; a single run without values where the spec is of a single run.
    """

    spec: Spec
    runs: tuple[SweepRun, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """What differs between runs, in the order of the spec."""
        return tuple(dict.fromkeys(key for run in self.runs for key in run.values))

    @property
    def grid_keys(self) -> tuple[str, ...]:
        """The keys that are no repetition."""
        return tuple(key for key in self.keys if key not in REPEATED)


@dataclass(frozen=True)
class _Axis:
    """A key and its values.

    Parameters
    ----------
    key
        Dotted.
    mark
        Where the key stands.
    values
        In the order of the spec.
    """

    key: str
    mark: Mark
    values: tuple[Node, ...]

    def sets(self) -> list[Override]:
        """Return what each value changes."""
        return [Override(path_of(self.key), at(value, value.mark), self.mark) for value in self.values]


@dataclass
class _Problems:
    """What is wrong with which runs."""

    found: dict[SpecProblem, list[tuple[Override, ...]]] = field(default_factory=dict)

    def add(self, problems: Iterable[SpecProblem], sets: tuple[Override, ...] = ()) -> None:
        for problem in problems:
            self.found.setdefault(problem, []).append(sets)

    def located(self, axes: Sequence[_Axis]) -> Iterator[SpecProblem]:
        """Yield each problem once, with the values that it takes where it is not that of a single value."""
        for problem, runs in self.found.items():
            taking = []
            for position, axis in enumerate(axes):
                values = {id(run[position]): run[position] for run in runs if run}
                one = next(iter(values.values()), None)
                if len(axis.values) > 1 and len(values) == 1 and one is not None and one.value.mark != problem.mark:
                    taking.append(f"{axis.key} is {describe_value(one.value.to_plain())}")
            hint = f"where {' and '.join(taking)}" if taking else ""
            yield replace(problem, hints=(*problem.hints, hint)) if hint else problem


def expand(
    source: SpecSource,
    overrides: Iterable[str] | Mapping[str, Any] = (),
    base: Path | None = None,
    *,
    registry: Registry | None = None,
    reads_data: bool = True,
) -> Sweep:
    """Read a spec of several runs and check each of them; a spec of one run gives that one.

    Every combination of the values under `sweep` is a run, of each grid where that is a list of grids. It is repeated
    for each of `evaluate.seeds`, and for each fold where `evaluate.holdout.folds` is set and `fold` is not.
    The parameters are those of `load_spec`; a
    relative path among the values is looked up beside the spec.

    Raises
    ------
    SpecError
        With the problems of all runs, each once, at the place of the value.
    """
    draft = draft_spec(source, overrides, base, registry=registry, reads_data=reads_data)
    grids, seeds, single = _grids(draft)
    _require_few(sum(math.prod(len(axis.values) for axis in axes) for axes in grids), draft.tree.below(SWEEP))
    problems: list[SpecProblem] = []
    checked = []
    for axes in grids:
        found, wrong = _checked(single, axes)
        problems += wrong
        checked.append(found)
    if problems:
        raise spec_error(problems)
    specs = [spec for found in checked for _, spec in found]
    _require_few(sum(map(_n_folds, specs)) * len(seeds or [0]), draft.tree.below("evaluate"))
    runs = []
    for axes, found in zip(grids, checked, strict=True):
        for sets, spec in found:
            values = {axis.key: one.value.to_plain() for axis, one in zip(axes, sets, strict=True)}
            runs += [SweepRun({**values, **repeated}, one) for repeated, one in _repetitions(spec, seeds)]
    swept = [_resolved_axes(axes, runs) for axes in grids]
    common = _common(single, checked[0][0][1])
    whole = swept if len(swept) > 1 else swept[0]
    return Sweep(replace(common, sweep=whole, evaluate=replace(common.evaluate, seeds=seeds)), tuple(runs))


def _require_few(n_runs: int, node: Node | None) -> None:
    """Refuse more runs than anybody waits for, before they are made."""
    if n_runs > MOST_RUNS:
        message = f"expected at most {MOST_RUNS:,} runs, found {n_runs:,}"
        mark = node.mark if node is not None else Mark()
        raise spec_error([SpecProblem(mark, "", message, ("sweep fewer values, or repeat over fewer seeds or folds",))])


def _n_folds(spec: Spec) -> int:
    """Return the number of runs that a spec stands for, one for each fold."""
    holdout = spec.evaluate.holdout
    return holdout.folds if holdout.folds is not None and holdout.fold is None else 1


def _common(single: Draft, first: Spec) -> Spec:
    """Check what all runs share; where that is no spec by itself, the first run's, whose values the others replace."""
    try:
        return check(single)
    except SpecError:
        return first


def _checked(single: Draft, axes: Sequence[_Axis]) -> tuple[list[tuple[tuple[Override, ...], Spec]], list[SpecProblem]]:
    """Check every combination of the values of a grid, or some of very many; return their specs, and what is wrong."""
    problems, found = _Problems(), []
    for i, sets in enumerate(itertools.product(*(axis.sets() for axis in axes))):
        if i >= MOST_WRONG and problems.found:
            break
        changing = [one for one in sets if not _removes_nothing(one, single.tree)]
        try:
            found.append((sets, check(single, sorted(changing, key=lambda one: len(one.path)))))
        except SpecError as error:
            problems.add(error.problems, sets)
    return found, list(problems.located(axes))


def load_single(
    source: SpecSource,
    overrides: Iterable[str] | Mapping[str, Any] = (),
    *,
    registry: Registry | None = None,
    reads_data: bool = True,
) -> Spec:
    """Read a spec as `load_spec` does, and refuse one of several runs.

    Raises
    ------
    SpecError
        With every problem, each at its place.
    """
    draft = draft_spec(source, overrides, registry=registry, reads_data=reads_data)
    several = [
        SpecProblem(node.mark, key, "expected one run, found a sweep", ("run it with jamie.sweep, or leave this out",))
        for key, node in draft.sweep_keys().items()
    ]
    if several:
        raise spec_error(several)
    return check(draft)


def _grids(draft: Draft) -> tuple[list[list[_Axis]], list[int] | None, Draft]:
    """Read what is swept, and return the spec without it; one grid without keys where nothing is.

    Raises
    ------
    SpecError
        Where that cannot be read, before any run is checked.
    """
    resolver = Resolver(draft.registry)
    tree = draft.tree
    swept, seeds = tree.below(SWEEP), tree.below("evaluate", "seeds")
    if swept is not None:
        resolver.value(fields_of(Spec)[SWEEP].annotation, swept, SWEEP)
        tree = tree.without(SWEEP)
    if seeds is not None:
        resolver.value(fields_of(EvaluateSection)["seeds"].annotation, seeds, SEEDS)
        tree = tree.with_items({"evaluate": (tree.value["evaluate"].without("seeds"), tree.key_mark("evaluate"))})
    nodes = swept.value if swept is not None and isinstance(swept.value, list) else [swept]
    grids = [_axes(node) for node in nodes]
    problems = [*resolver.problems]
    problems += [problem for axes in grids for axis in axes for problem in _refused(axis, seeds is not None)]
    if seeds is not None and isinstance(seeds.value, list):
        problems += _twice(SEEDS, seeds.value)
    single = replace(draft, tree=tree)
    kept = [[axis for axis in axes if axis.key not in UNSWEPT] for axes in grids] or [[]]
    if problems:  # problems of the runs are reported with it
        raise spec_error([*problems, *(problem for axes in kept for problem in _checked(single, axes)[1])])
    return kept, _plain_seeds(seeds), single


def _axes(grid: Node | None) -> list[_Axis]:
    given = grid.value if grid is not None and isinstance(grid.value, dict) else {}
    return [
        _Axis(key, grid.key_mark(key), tuple(node.value))
        for key, node in given.items()
        if grid is not None and isinstance(node.value, list)
    ]


def _plain_seeds(seeds: Node | None) -> list[int] | None:
    return seeds.to_plain() if seeds is not None and isinstance(seeds.value, list) else None


def _refused(axis: _Axis, has_seeds: bool) -> Iterator[SpecProblem]:
    """Yield what is wrong with a key, or with its values among each other."""
    key = f"{SWEEP}.{axis.key}"
    if axis.key in UNSWEPT:
        yield SpecProblem(axis.mark, key, f"{axis.key} cannot be swept", (UNSWEPT[axis.key],))
    if axis.key == SEED and has_seeds:
        message = f"expected the seeds once, found {key} and {SEEDS}"
        yield SpecProblem(axis.mark, key, message, ("keep one of them; both are averaged over",))
    yield from _twice(key, axis.values)


def _twice(key: str, values: Iterable[Node]) -> Iterator[SpecProblem]:
    """Yield values that occur again: their runs would be the same, and pass for repetitions."""
    seen: list[Any] = []
    for node in values:
        value = node.to_plain()
        if any(type(value) is type(other) and value == other for other in seen):
            shown = describe_value(value) if not isinstance(value, dict | list) else "a value"
            yield SpecProblem(node.mark, key, f"expected each value once, found {shown} again", ("leave it out",))
        seen.append(value)


def _removes_nothing(one: Override, tree: Node) -> bool:
    """Whether it is null for a loss or modality that is not there: the run without it, among others with it."""
    section = one.path[0]
    removes = one.value.value is None and len(one.path) == 2 and section in ("losses", "modalities")
    return removes and tree.below(*one.path) is None


def _repetitions(spec: Spec, seeds: list[int] | None) -> Iterator[tuple[dict[str, int], Spec]]:
    """Repeat a run over seeds and folds."""
    holdout = spec.evaluate.holdout
    folds = (None,) if _n_folds(spec) == 1 else range(_n_folds(spec))
    for seed, fold in itertools.product(seeds if seeds is not None else (None,), folds):
        values = {} if seed is None else {SEED: seed}
        one = spec if seed is None else replace(spec, seed=seed)
        if fold is not None:
            values[FOLD] = fold
            one = replace(one, evaluate=replace(one.evaluate, holdout=replace(holdout, fold=fold)))
        yield values, one


def _resolved_axes(axes: Sequence[_Axis], runs: Sequence[SweepRun]) -> dict[str, list[Any]]:
    """Return a grid whose files have their absolute place."""
    swept = {}
    for axis in axes:
        written = [node.to_plain() for node in axis.values]
        specs = [next(c.spec for c in runs if axis.key in c.values and c.values[axis.key] == v) for v in written]
        swept[axis.key] = [
            _resolved(spec.to_plain(), path_of(axis.key), value) for spec, value in zip(specs, written, strict=True)
        ]
    return swept


def _resolved(value: Any, path: Sequence[str], written: Any) -> Any:
    """Look a dotted key up in a resolved spec; what was written where it is not there."""
    for word in path:
        if isinstance(value, list):
            named = [one for one in value if isinstance(one, dict) and word in one]
            value = named[0] if named else value[int(word)] if word.isdecimal() and int(word) < len(value) else None
            if not named and isinstance(value, dict):
                continue
        if isinstance(value, dict) and word not in value and len(value) == 1:
            (value,) = value.values()  # a component, whose name may be left out
        if not isinstance(value, dict) or word not in value:
            return written
        value = value[word]
    return written if written is None else value
