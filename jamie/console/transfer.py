"""Transferred labels, as a person reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jamie.metrics.classification_report import ClassificationReport
from jamie.metrics.label_transfer import LabelTransfer
from jamie.report.tables import SCOPES, Block

NUMBERS = (
    "accuracy",
    "balanced_accuracy",
    "majority_accuracy",
    "chance_accuracy",
    "mean_confidence",
    "calibration_error",
)


def transfer_tables(transfer: LabelTransfer) -> list[Block]:
    """Lay out how good the predictions are: as a whole, by label and by confidence, with a column for each scope."""
    title = f"{transfer.source} → {transfer.target}, {transfer.k} neighbors of {transfer.n_labelled} labeled cells"
    if not transfer.reports:
        counts = transfer.table["predicted"].value_counts()
        return [Block(title, [{"predicted": str(label), "cells": str(n)} for label, n in counts.items()])]
    heads = {one.scope: SCOPES[one.scope].replace(" ", "\n") for one in transfer.reports}
    whole = [{"": "cells with a known label", **{heads[one.scope]: str(one.n_scored) for one in transfer.reports}}]
    for number in NUMBERS:
        values = {heads[one.scope]: f"{getattr(one, number):.3f}" for one in transfer.reports}
        whole.append({"": number.replace("_", " "), **values})
    return [
        Block(title, whole),
        _joined("recall by label", transfer.reports, "by_label", ("label",), "recall"),
        _joined("accuracy by confidence", transfer.reports, "by_confidence", ("from", "to"), "accuracy"),
    ]


def transfer_record(transfer: LabelTransfer) -> dict[str, Any]:
    """Plain values, for json."""
    predictions = transfer.table.astype(object).where(transfer.table.notna(), None)
    return {
        "source": transfer.source,
        "target": transfer.target,
        "k": transfer.k,
        "n_labelled": transfer.n_labelled,
        "unseen": dict(transfer.unseen),
        "reports": [one.as_dict() for one in transfer.reports],
        "predictions": predictions.to_dict("records"),
    }


def _joined(
    title: str, reports: tuple[ClassificationReport, ...], part: str, keys: tuple[str, ...], number: str
) -> Block:
    """One row for each label or bin, with cells and a number in each scope."""
    rows: dict[tuple[str, ...], dict[str, str]] = {}
    for one in reports:
        entries: tuple[Mapping[str, Any], ...] = getattr(one, part)
        for entry in entries:
            names = {key: f"{entry[key]:g}" if isinstance(entry[key], float) else str(entry[key]) for key in keys}
            row = rows.setdefault(tuple(names.values()), {**names})
            head = SCOPES[one.scope].removesuffix(" cells").replace(" ", "\n")
            row[f"{head}\ncells"] = str(entry["n_cells"])
            row[f"{head}\n{number}"] = f"{entry[number]:.3f}"
    return Block(title, [rows[key] for key in sorted(rows)])
