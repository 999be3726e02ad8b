"""Tiles of the summary: the most important scores, compared with other methods and with chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jamie.core.names import ALL_CELLS, HELD_OUT, HELD_OUT_CELLS, SPLIT, TRAIN
from jamie.data.writing.names import stored_name
from jamie.report.html.guide import guide_of
from jamie.report.html.scores import Record, best_record, direction, headlines, main_scope_records
from jamie.report.tables import CHANCE, SCOPE_TITLES, number
from jamie.runs.run import Run

if TYPE_CHECKING:
    from mudata import MuData

MATCHED = ("matching", "barycentric_foscttm", "barycentric_label_transfer_accuracy")  # metrics of inferred partners
SECONDARY = ("interval_coverage", "interval_width", *MATCHED)  # metrics that mean little without others
SAME = ("metric", "scope", "method", "source", "target", "parameters")  # in the value of a metric and its parts
MAX_TILES = 4
CHANCE_LEVELS: Mapping[str, float] = {"foscttm": 0.5, "auroc": 0.5, "pearson": 0.0, "spearman": 0.0, "r2": 0.0}


@dataclass(frozen=True)
class ScoreRow:
    """A score of a tile.

    Parameters
    ----------
    modalities
        Their names, with an arrow if the score has a direction.
    value
        Score of the model.
    other, other_value
        The best other method, or chance; empty if there is neither.
    better
        Whether the model is at least as good as the other method; None if there is none.
    at_chance
        Whether the model is known to be no better than chance.
    """

    modalities: str
    value: str
    other: str = ""
    other_value: str = ""
    better: bool | None = None
    at_chance: bool = False


def score_tiles(run: Run, mdata: MuData) -> list[dict[str, Any]]:
    """Return a tile for each of the most important metrics: its title, and a row for each two modalities."""
    records, model = headlines(run.metric_records), run.model_name
    metrics = list(dict.fromkeys(record["metric"] for record in records if record["method"] == model))
    primary = [metric for metric in metrics if metric not in SECONDARY]
    if run.stopped_early:
        primary += [metric for metric in metrics if metric in SECONDARY]
    uses_labels = {method["method"] for method in run.methods if method.get("uses_labels")}
    tiles = []
    for metric in primary[:MAX_TILES]:
        shown = main_scope_records(records, metric, model)
        own = [record for record in shown if record["method"] == model]
        rivals = [record for record in shown if record["method"] not in {model, *uses_labels}]
        tiles.append(_tile(own, rivals, [chance_level(mdata, record, run.metric_records) for record in own]))
    return tiles


def _tile(own: Sequence[Record], rivals: Sequence[Record], chances: Sequence[float | None]) -> dict[str, Any]:
    directed = len({frozenset(direction(record)) for record in own}) < len(own)
    separator = " → " if directed else " and "
    guide, sizes = guide_of(own[0]["metric"]), {record["n_cells"] for record in own}
    return {
        "title": guide.title,
        "reading": guide.reading.partition(". ")[0].removesuffix("."),
        "better": "higher is better" if own[0]["higher_is_better"] else "lower is better",
        "cells": SCOPE_TITLES[own[0]["scope"]] + (f" ({sizes.pop():,})" if len(sizes) == 1 else ""),
        "rows": [_row(record, rivals, chance, separator) for record, chance in zip(own, chances, strict=True)],
    }


def _row(own: Record, rivals: Sequence[Record], chance: float | None, separator: str) -> ScoreRow:
    modalities, value = separator.join(direction(own)), number(own["value"])
    sign = 1 if own["higher_is_better"] else -1
    at_chance = chance is not None and sign * own["value"] <= sign * chance
    best = best_record(rivals, own)
    if best is not None:
        better = sign * own["value"] >= sign * best["value"]
        return ScoreRow(modalities, value, best["method"], number(best["value"]), better, at_chance)
    if chance is None:
        return ScoreRow(modalities, value)
    return ScoreRow(modalities, value, "chance", number(chance), at_chance=at_chance)


def chance_level(mdata: MuData, record: Record, records: Sequence[Record]) -> float | None:
    """Return the score that chance would give instead of a record; None if it is unknown.

    That of inferred partners is among the `records` of the run. That of a label transfer is the fraction of the
    commonest label among the labelled cells that were scored.
    """
    if record["metric"] in MATCHED:
        same = [other for other in records if all(other[key] == record[key] for key in SAME)]
        return next((other["value"] for other in same if other["part"] in (CHANCE, f"mass_{CHANCE}")), None)
    if record["metric"] != "label_transfer_accuracy":
        return CHANCE_LEVELS.get(record["metric"])
    if record["target"] not in mdata.mod:
        return None
    obs = mdata.mod[record["target"]].obs
    label = stored_name(record["label"], obs.columns)
    if label not in obs:
        return None
    labels = obs[label]
    if SPLIT in obs and record["scope"] != ALL_CELLS:
        labels = labels[obs[SPLIT] == (HELD_OUT if record["scope"] == HELD_OUT_CELLS else TRAIN)]
    shares = labels.value_counts(normalize=True)  # of those that are labelled
    return float(shares.iloc[0]) if len(shares) else None
