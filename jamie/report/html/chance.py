"""What a score would be by chance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from jamie.core.names import ALL_CELLS, HELD_OUT, HELD_OUT_CELLS, SPLIT, TRAIN
from jamie.data.writing.names import stored_name
from jamie.report.html.files import Record

if TYPE_CHECKING:
    from mudata import MuData

LEVELS: Mapping[str, float] = {"foscttm": 0.5, "auroc": 0.5, "pearson": 0.0, "spearman": 0.0, "r2": 0.0}
TRANSFER = "label_transfer_accuracy"


def chance_of(record: Record, share: float | None = None) -> float | None:
    """Return what chance would score in place of a record; None where that is not known.

    Parameters
    ----------
    record
        As in ``metrics.json``.
    share
        As `commonest_share` gives it.
    """
    if record["metric"] == "matching":
        return 1 / max(1, record["n_cells"])
    return share if record["metric"] == TRANSFER else LEVELS.get(record["metric"])


def commonest_share(mdata: MuData, record: Record) -> float | None:
    """Return how many of the labelled cells that a label transfer was scored on have the commonest label."""
    target = mdata.mod.get(record["target"]) if record["metric"] == TRANSFER else None
    label = "" if target is None else stored_name(record["label"], target.obs.columns)
    if target is None or label not in target.obs:
        return None
    labels = target.obs[label]
    if SPLIT in target.obs and record["scope"] != ALL_CELLS:
        labels = labels[target.obs[SPLIT] == (HELD_OUT if record["scope"] == HELD_OUT_CELLS else TRAIN)]
    shares = labels.value_counts(normalize=True)  # of those that are labelled
    return float(shares.iloc[0]) if len(shares) else None
