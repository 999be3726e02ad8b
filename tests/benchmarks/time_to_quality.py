"""How long the default takes until it imputes as well as the paper's settings do in the end.

    OMP_NUM_THREADS=1 python tests/benchmarks/time_to_quality.py [DATASET ...] [--order ORDER] [--default KEY=VALUE ...]
        [--paper KEY=VALUE ...]

Trains both in one process on the datasets of ``specs/bench/imputation.yaml`` (by a part of their file's name; all
of them unless some are named), on the same cells, each with its own preprocessing, and scores them while they train:
mean Pearson over the features of held-out cells, of both directions. The clock is the processor's time in this process;
it stands still while they are scored. An ensemble whose members are trained one after the other is scored as it grows.
What is printed is the time until the paper's
final quality is reached and the ratio to the paper's whole training, and to the time that the paper's settings needed
to get as far themselves.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import yaml

import jamie.training.train as fitting
from jamie.core.context import Context
from jamie.core.evaluation import ImputedPair
from jamie.data.load import load_dataset
from jamie.data.splits.holdout import split_cells
from jamie.metrics.pearson import Pearson
from jamie.model.joint_vae import JointVAE
from jamie.model.prediction import impute
from jamie.preprocess.prepare import Prepared, prepare
from jamie.spec import Spec, expand, load_spec
from jamie.spec.sections import ALL_MODALITIES
from jamie.training.loop import History, Trainer

SPEC = Path(__file__).parents[2] / "specs" / "bench" / "imputation.yaml"
LATER = 1.05  # the quality is looked at again when this many times as much time has passed

Quality = Mapping[str, float]  # by direction


@dataclass
class Clock:
    """The processor's time in this process, but for pauses."""

    started: float = field(default_factory=time.process_time)
    paused: float = 0.0

    @property
    def seconds(self) -> float:
        """Time that counts."""
        return time.process_time() - self.started - self.paused

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Do something that does not count."""
        since = time.process_time()
        yield
        self.paused += time.process_time() - since


class HeldOut:
    """Scores networks on the cells that were held out.

    Parameters
    ----------
    prepared
        All cells, preprocessed.
    """

    def __init__(self, prepared: Prepared) -> None:
        self.prepared = prepared
        self.rows = {m: np.flatnonzero(~mask) for m, mask in prepared.split.train.items()}
        self.training = {m: np.flatnonzero(mask) for m, mask in prepared.split.train.items()}
        self.scores = {m: x[self.rows[m]] for m, x in prepared.scores.items()}
        self.measured = {m: self._target(m, rows) for m, rows in self.rows.items()}
        known = {m: self._target(m, rows) for m, rows in self.training.items()}
        self.mean_and_sd = {m: (x.mean(axis=0), x.std(axis=0)) for m, x in known.items()}

    def _target(self, modality: str, rows: np.ndarray) -> np.ndarray:
        X = self.prepared.dataset.modalities[modality].target.X[rows]
        return np.asarray(X.toarray() if hasattr(X, "toarray") else X, dtype=np.float64)

    def quality(self, networks: list[JointVAE]) -> dict[str, float]:
        """Mean Pearson over features of each direction."""
        return {f"{a} → {b}": self._pearson(networks, a, b) for a, b in permutations(self.scores, 2)}

    def _pearson(self, networks: list[JointVAE], source: str, target: str) -> float:
        values = impute(networks, source, target, self.scores[source])
        found = self.prepared.target_chains[target].inverse_transform(values)
        features = self.prepared.dataset.modalities[target].target.features
        mean, sd = self.mean_and_sd[target]
        pair = ImputedPair(source, target, features, self.measured[target], np.asarray(found), mean, sd)
        return float(Pearson().score(pair).value)


@dataclass
class Course:
    """Quality over time, and the time of the whole training."""

    seconds: list[float] = field(default_factory=list)
    qualities: list[Quality] = field(default_factory=list)
    total: float = math.nan
    final: Quality = field(default_factory=dict)
    steps: int = 0

    def until(self, wanted: Quality, directions: tuple[str, ...]) -> float:
        """Return when the mean over some directions was first as good; not a number where it never was."""
        aim = np.mean([wanted[one] for one in directions])
        found = (t for t, q in zip(self.seconds, self.qualities, strict=True) if self._mean(q, directions) >= aim)
        return next(found, math.nan)

    def _mean(self, quality: Quality, directions: tuple[str, ...]) -> float:
        return float(np.mean([quality[one] for one in directions]))


def trained(prepared: Prepared, spec: Spec, context: Context) -> Course:
    """Train the networks of a spec and look at them from time to time."""
    judge, course, done = HeldOut(prepared), Course(), list[JointVAE]()
    cells = prepared.subset(prepared.split.train).cells()
    clock = Clock()

    class Watched(Trainer):
        """Is scored after some of its epochs."""

        def _report(self, epoch: int, values: list[float]) -> None:
            if clock.seconds >= (course.seconds[-1] * LATER if course.seconds else 0):
                now = clock.seconds
                with clock.pause():
                    self.write_members()
                    course.seconds.append(now)
                    course.qualities.append(judge.quality([*done, *(member.model for member in self.members)]))

        def fit(self, save: object = None) -> list[History]:
            histories = super().fit()
            done.extend(member.model for member in self.members)
            course.steps += sum(history.steps for history in histories)
            return histories

    usual, fitting.Trainer = fitting.Trainer, Watched
    try:
        networks = fitting.train(cells, None, spec, context).networks
    finally:
        fitting.Trainer = usual
    course.total = clock.seconds
    course.final = judge.quality(list(networks))
    course.seconds.append(course.total)
    course.qualities.append(course.final)
    return course


def _trained_warm(prepared: Prepared, spec: Spec, context: Context) -> Course:
    """Train after a first epoch that does not count, in which libraries are loaded and memory is taken."""
    short = replace(spec.training, min_epochs=0, max_epochs=1, ensemble=1)
    trained(prepared, replace(spec, training=short), context)
    return trained(prepared, spec, context)


def compared(spec: Spec, paper: Mapping[str, Any]) -> None:
    """Train both on a dataset and print how they fare."""
    context = Context(seed=spec.seed)
    dataset = load_dataset(spec, context).dataset
    split = split_cells(dataset, spec.evaluate.holdout, context)
    theirs = next(ref for ref in spec.evaluate.compare if ref.name == "jamie")
    settings = {**(theirs.params["settings"] or {}), **paper}
    of_paper = load_spec(theirs.params["spec"], settings, reads_data=False)
    steps = of_paper.modalities[ALL_MODALITIES].preprocess
    own = {m: replace(spec.modality(m), preprocess=steps) for m in dataset.modalities}
    as_paper = prepare(dataset, split, replace(spec, modalities={**spec.modalities, **own}), context)
    ours = _trained_warm(prepare(dataset, split, spec, context), spec, context)
    other = _trained_warm(as_paper, of_paper, context)
    directions = tuple(other.final)
    for name, course in (("default", ours), ("paper", other)):
        final = ", ".join(f"{direction} {value:.3f}" for direction, value in course.final.items())
        print(f"  {name:8} {course.total:8.1f} s, {course.steps} steps, in the end {final}")
    for direction in directions:
        _print_times(direction, ours, other, (direction,))
    _print_times("mean of both", ours, other, directions)


def _print_times(name: str, ours: Course, other: Course, directions: tuple[str, ...]) -> None:
    reached, theirs = (course.until(other.final, directions) for course in (ours, other))
    if math.isnan(reached):
        print(f"  {name:16} the default never reaches the paper's final quality")
        return
    print(
        f"  {name:16} the paper's final quality after {reached:.2f} s; paper {other.total:.1f} s in all "
        f"({other.total / reached:.1f} x), {theirs:.1f} s until then ({theirs / reached:.1f} x)"
    )


def main() -> None:
    """Go through the datasets."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("datasets", nargs="*")
    parser.add_argument("--order", default="order_0")
    parser.add_argument("--default", nargs="*", default=[], metavar="KEY=VALUE")
    parser.add_argument("--paper", nargs="*", default=[], metavar="KEY=VALUE")
    given = parser.parse_args()
    paper = {key: yaml.safe_load(value) for key, value in (one.split("=", 1) for one in given.paper)}
    for cell in expand(SPEC, given.default).runs:
        path = Path(cell.spec.data.params["path"])
        wanted = not given.datasets or any(name in path.name for name in given.datasets)
        if wanted and cell.spec.evaluate.holdout.column == given.order:
            print(f"{path.name}, {given.order}")
            compared(cell.spec, paper)


if __name__ == "__main__":
    main()
