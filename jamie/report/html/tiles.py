"""Tiles of the summary: the most important scores, compared with other methods and with chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jamie.core.names import ALL_CELLS, HELD_OUT, HELD_OUT_CELLS, MODEL_NAME, SPLIT, TRAIN
from jamie.data.writing.names import stored_name
from jamie.report.html.guide import guide_of
from jamie.report.html.scores import Record, best_record, direction, headlines, main_scope_records
from jamie.report.tables import SCOPE_TITLES, number
from jamie.runs.run import Run

if TYPE_CHECKING:
    from mudata import MuData

SECONDARY = ("interval_coverage", "interval_width", "matching")  # metrics that mean little without others
MAX_TILES = 4
CHANCE: Mapping[str, float] = {"foscttm": 0.5, "auroc": 0.5, "pearson": 0.0, "spearman": 0.0, "r2": 0.0}


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
    records = headlines(run.metric_records)
    metrics = list(dict.fromkeys(record["metric"] for record in records if record["method"] == MODEL_NAME))
    primary = [metric for metric in metrics if metric not in SECONDARY]
    if run.stopped_early:
        primary += [metric for metric in metrics if metric in SECONDARY]
    uses_labels = {method["method"] for method in run.methods if method.get("uses_labels")}
    return [_tile(main_scope_records(records, metric), uses_labels, mdata) for metric in primary[:MAX_TILES]]


def _tile(records: Sequence[Record], uses_labels: set[str], mdata: MuData) -> dict[str, Any]:
    own = [record for record in records if record["method"] == MODEL_NAME]
    rivals = [record for record in records if record["method"] not in {MODEL_NAME, *uses_labels}]
    directed = len({frozenset(direction(record)) for record in own}) < len(own)
    guide, sizes = guide_of(own[0]["metric"]), {record["n_cells"] for record in own}
    return {
        "title": guide.title,
        "reading": guide.reading.partition(". ")[0].removesuffix("."),
        "better": "higher is better" if own[0]["higher_is_better"] else "lower is better",
        "cells": SCOPE_TITLES[own[0]["scope"]] + (f" ({sizes.pop():,})" if len(sizes) == 1 else ""),
        "rows": [_row(record, rivals, chance_level(mdata, record), " → " if directed else " and ") for record in own],
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


def chance_level(mdata: MuData, record: Record) -> float | None:
    """Return the score that chance would give instead of a record; None if it is unknown.

    That of a label transfer is the fraction of the commonest label among the labelled cells that were scored.
    """
    if record["metric"] == "matching":
        return 1 / max(1, record["n_cells"])
    if record["metric"] != "label_transfer_accuracy":
        return CHANCE.get(record["metric"])
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
