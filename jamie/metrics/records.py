"""Values of metrics, as a run writes them."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from jamie.core.errors import DataError, JamieError
from jamie.core.evaluation import EmbeddedPair, ImputedPair, MatchedPair, Score
from jamie.core.interfaces import Metric
from jamie.core.interfaces.results import require_finite
from jamie.core.schema import fields_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Record:
    """One value of one metric.

    Parameters
    ----------
    metric
        Name of the component.
    part
        Empty for the metric's value; else which of its further numbers this is, such as ``sd`` or ``top_1_chance``.
    value
        The score.
    scope
        ``all`` cells, ``training_cells`` (if others are held out), ``held_out_pairs`` (training cells of pairs that
        are hidden from all methods, among such cells only; of an inferred correspondence, among all without a known
        partner) or ``held_out_cells`` (cells that nothing was fitted on,
        among such cells only).
    method
        Name of the method that was scored.
    source, target
        Modalities; from source to target if the metric has a direction.
    label
        Column of obs, if the metric reads one.
    n_cells
        Cells that were scored: cells of the target with a label, or cells of the source with a true partner.
    n_features, n_excluded
        Features that were scored, and features that are constant in these cells and left out; 0 for other metrics.
    higher_is_better
        Of the metric.
    headline
        The one value of this metric to report for two modalities, a scope and a method: the first of its kind in the
        spec, the first label, and labels from the second modality to the first.
    parameters
        Of the metric.
    """

    metric: str
    part: str
    value: float
    scope: str
    method: str
    source: str
    target: str
    label: str
    n_cells: int
    n_features: int
    n_excluded: int
    higher_is_better: bool
    headline: bool
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for json."""
        return asdict(self)


class MetricCall(NamedTuple):
    """A metric, the pair of modalities that it scores, the label that it reads, and how many cells that has.

    It `may_be_headline` of its name; the first one that can be computed is.
    """

    metric: Metric[Any]
    pair: EmbeddedPair | ImputedPair | MatchedPair
    label: str
    n_cells: int
    may_be_headline: bool = True


def compute_metrics(calls: Iterable[MetricCall], method: str, scope: str) -> Iterator[tuple[Score, list[Record]]]:
    """Compute metrics of one method in one scope; those that cannot be computed, or break, are left out with a warning.

    Yields
    ------
    tuple
        A score, and a record of its value and one of each part.

    Raises
    ------
    DataError
        If a latent or an imputed value is not finite.
    """
    computed: set[str] = set()
    for call in calls:
        score = _try_score(call, f"{method}, {call.pair.source} and {call.pair.target}, {scope}")
        if score is not None:
            headline = call.may_be_headline and call.metric.name not in computed
            yield score, list(_to_records(call, score, method, scope, headline=headline))
            computed.add(call.metric.name)


def _try_score(call: MetricCall, where: str) -> Score | None:
    """Compute a metric; a metric of a plugin may raise anything, and must not cost the results of the run."""
    metric, pair, *_ = call
    _require_finite(pair, where)
    score = None
    try:
        score = metric.score(pair)
    except JamieError as error:
        log.warning("%s: %s is left out: %s", where, metric.name, error.problem)
    except Exception as error:
        log.warning("%s: %s is left out: it failed: %s: %s", where, metric.name, type(error).__name__, error)
    _require_finite(pair, where)  # of values that the metric has made
    if score is None:
        return None
    if math.isnan(score.value):
        log.warning("%s: %s is left out: nothing can be scored", where, metric.name)
        return None
    return score


def _require_finite(pair: EmbeddedPair | ImputedPair | MatchedPair, where: str) -> None:
    try:
        require_finite(pair)
    except DataError as error:
        raise DataError(error.problem, where=where, fix="look for a loss that grew (events.jsonl)") from error


def _to_records(call: MetricCall, score: Score, method: str, scope: str, *, headline: bool) -> Iterator[Record]:
    metric, pair, label, n_cells, _ = call
    features = score.per_feature.get("", np.empty(0))
    n_features = int((~np.isnan(features)).sum())
    parameters = {name: getattr(metric, name) for name in fields_of(type(metric)) if hasattr(metric, name)}
    for part, value in {"": score.value, **score.parts}.items():
        yield Record(
            metric=metric.name,
            part=part,
            value=value,
            scope=scope,
            method=method,
            source=pair.source,
            target=pair.target,
            label=label,
            n_cells=n_cells,
            n_features=n_features,
            n_excluded=len(features) - n_features,
            higher_is_better=metric.higher_is_better,
            headline=headline and not part,
            parameters=parameters,
        )


def to_table(records: Sequence[Record]) -> pd.DataFrame:
    """One row for each record; parameters are written as ``k=5, leave_partner_out=False``."""
    rows = [record.as_dict() for record in records]
    for row in rows:
        row["parameters"] = ", ".join(f"{key}={value}" for key, value in row["parameters"].items())
    return pd.DataFrame(rows, columns=[f.name for f in fields(Record)])
