"""Accuracy, recall, precision and calibration of predicted labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.names import ALL_CELLS

CONFIDENCE_BINS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)  # edges; in the first bin most votes are for other labels


@dataclass(frozen=True)
class ClassificationReport:
    """Accuracy of predicted labels, over the cells whose label is known.

    Parameters
    ----------
    scope
        ``all`` cells, or ``held_out_cells``, which nothing was fitted on.
    n_cells, n_scored
        Cells, and those of them with a known label and a prediction.
    accuracy
        Fraction of correct predictions.
    balanced_accuracy
        Mean recall of the labels.
    majority_accuracy
        Accuracy of predicting, for every cell, the most frequent label of the source's cells.
    chance_accuracy
        Expected accuracy of labels drawn with their frequencies among the source's cells.
    mean_confidence
        Of the scored cells; it equals the accuracy if confidences are calibrated.
    calibration_error
        Expected calibration error: mean of |accuracy - mean confidence| over the bins of `by_confidence`, weighted by
        their cells.
    by_label
        For each label, its cells and recall, and how often it was predicted and its precision.
    by_confidence
        For bins of confidence, the cells, their accuracy and mean confidence.
    """

    scope: str
    n_cells: int
    n_scored: int
    accuracy: float
    balanced_accuracy: float
    majority_accuracy: float
    chance_accuracy: float
    mean_confidence: float
    calibration_error: float
    by_label: tuple[Mapping[str, Any], ...]
    by_confidence: tuple[Mapping[str, Any], ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for json."""
        return asdict(self)


def classification_report(
    table: pd.DataFrame, source_labels: NDArray[np.str_], scope: str = ALL_CELLS
) -> ClassificationReport | None:
    """Compare predictions with known labels; None if no cell has both.

    Parameters
    ----------
    table
        With columns `predicted`, `confidence` and `truth`.
    source_labels
        (n,) of the source's cells, which voted.
    scope
        Name for the result.
    """
    scored = table.dropna(subset=["predicted", "truth"])
    if scored.empty:
        return None
    correct, confidence = scored["predicted"] == scored["truth"], scored["confidence"]
    by_label = tuple(_by_label(scored["truth"], scored["predicted"]))
    by_confidence = tuple(_by_confidence(confidence, correct))
    classes, counts = np.unique(source_labels, return_counts=True)
    frequency = scored["truth"].value_counts(normalize=True)
    source_frequency = pd.Series(counts / counts.sum(), index=classes)
    gaps = [row["n_cells"] * abs(row["accuracy"] - row["mean_confidence"]) for row in by_confidence]
    return ClassificationReport(
        scope=scope,
        n_cells=len(table),
        n_scored=len(scored),
        accuracy=float(correct.mean()),
        balanced_accuracy=float(np.mean([row["recall"] for row in by_label])),
        majority_accuracy=float(frequency.get(classes[counts.argmax()], 0.0)),
        chance_accuracy=float((source_frequency * frequency).sum()),
        mean_confidence=float(confidence.mean()),
        calibration_error=float(sum(gaps) / len(scored)),
        by_label=by_label,
        by_confidence=by_confidence,
    )


def _by_label(truth: pd.Series, predicted: pd.Series) -> list[dict[str, Any]]:
    from sklearn.metrics import precision_recall_fscore_support

    names = sorted(truth.unique())
    scores = precision_recall_fscore_support(truth, predicted, labels=names, zero_division=np.nan)
    return [
        {
            "label": name,
            "n_cells": int(n_cells),
            "recall": float(recall),
            "n_predicted": int((predicted == name).sum()),
            "precision": float(precision),
        }
        for name, precision, recall, _, n_cells in zip(names, *scores, strict=True)
    ]


def _by_confidence(confidence: pd.Series, correct: pd.Series) -> list[dict[str, Any]]:
    """Accuracy in each bin that holds cells; a confidence at an edge belongs to the bin above it."""
    bins = np.clip(np.digitize(confidence, CONFIDENCE_BINS) - 1, 0, len(CONFIDENCE_BINS) - 2)
    return [
        {
            "from": CONFIDENCE_BINS[i],
            "to": CONFIDENCE_BINS[i + 1],
            "n_cells": int((bins == i).sum()),
            "accuracy": float(correct[bins == i].mean()),
            "mean_confidence": float(confidence[bins == i].mean()),
        }
        for i in np.unique(bins)
    ]
