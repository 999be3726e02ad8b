"""The section `evaluate` of a spec: what is held out, what is scored, and what the model is compared with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import Field, PositiveInt

from jamie.core.interfaces import Method, Metric, Preprocessor, Splitter
from jamie.spec.numbers import AtLeastTwo, Fraction, Seed
from jamie.spec.ref import Ref, spec_default

METRICS = (  # by default
    "label_transfer_accuracy",
    {"label_transfer_accuracy": {"leave_partner_out": True}},  # else a matched cell may be labelled by itself
    "foscttm",
    "matching",
    "pearson",
)


@dataclass(frozen=True, kw_only=True)
class HoldoutSection:
    """Cells that nothing is fitted on: preprocessing, inference and training do without them.

    Parameters
    ----------
    fraction
        Fraction of the cells that is held out, of every label alike.
    group
        Column of obs; whole groups, such as donors, are held out.
    folds
        Parts into which the cells (or groups) are divided, in place of a fraction; each is held out once, by a run of
        its own.
    fold
        The one part that is held out, counted from 0; null for a run for each.
    file
        Table of cells that says which are held out, or gives an order of which the first are.
    column
        Column of that table.
    split
        A component that chooses the cells, in place of all of these; null for none.
    """

    fraction: Annotated[float, Field(ge=0, lt=1)] = 0.2
    group: str | None = None
    folds: AtLeastTwo | None = None
    fold: Annotated[int, Field(ge=0)] | None = None
    file: Path | None = None
    column: str | None = None
    split: Ref[Splitter] | None = None


@dataclass(frozen=True, kw_only=True)
class KnownPairsSection:
    """Known pairs that the model may use.

    Parameters
    ----------
    fraction
        Fraction of the cells measured more than once whose pairs the model may use; the pairs of the others are
        hidden and used for honest evaluation.
    file
        Table of cells that gives an order, of which the first keep their pairs; drawn at random where null.
    column
        Column of that table.
    """

    fraction: Fraction = 1.0
    file: Path | None = None
    column: str | None = None


@dataclass(frozen=True, kw_only=True)
class IntervalsSection:
    """Intervals of imputed values, calibrated on calibration cells (`training.calibration`).

    Parameters
    ----------
    level
        Part of the values of each feature that its intervals are to hold.
    methods
        Methods of `compare`, by component, that get intervals in the same way; each is fitted again without the
        calibration cells, as often as the ensemble has members.
    """

    level: Annotated[float, Field(gt=0, lt=1)] = 0.9
    methods: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class EvaluateSection:
    """How the result is evaluated.

    Parameters
    ----------
    holdout
        Cells that nothing is fitted on.
    training_cells
        How many of the cells that are not held out are trained on, drawn at random; the others are left out of the
        run. Null for all.
    known_pairs
        Known pairs that the model may use.
    metrics
        Metrics; the first of a name is the headline.
    compare
        Methods that are given the same cells, preprocessing and pairs, and scored beside the model.
    compare_preprocess
        Preprocessors of these methods, in place of those of the modalities; null for the same.
    intervals
        Intervals of imputed values.
    seeds
        Seeds of several runs, in place of `seed`; null for one run.
    refit
        Whether the model that is delivered is trained again, on all cells, once it was evaluated.
    """

    holdout: HoldoutSection = field(default_factory=HoldoutSection)
    training_cells: PositiveInt | None = None
    known_pairs: KnownPairsSection = field(default_factory=KnownPairsSection)
    metrics: list[Ref[Metric]] = spec_default(list(METRICS))
    compare: list[Ref[Method]] = field(default_factory=list)
    compare_preprocess: list[Ref[Preprocessor]] | None = None
    intervals: IntervalsSection = field(default_factory=IntervalsSection)
    seeds: Annotated[list[Seed], Field(min_length=1)] | None = None
    refit: bool = False

    @property
    def explicit_metrics(self) -> list[Ref[Metric]]:
        """Metrics that a spec names itself; none where they are those by default."""
        default = [one if isinstance(one, str) else next(iter(one)) for one in METRICS]
        return [] if [ref.name for ref in self.metrics] == default else self.metrics
