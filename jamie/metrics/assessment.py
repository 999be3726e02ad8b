"""How good predicted labels are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.names import ALL_CELLS

CONFIDENCES = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)  # edges; the first bin holds what most votes speak against


@dataclass(frozen=True)
class Assessment:
    """How good predicted labels are, over the cells whose label is known.

    Parameters
    ----------
    scope
        ``all`` cells, or ``held_out_cells``, which nothing was fitted on.
    n_cells, n_scored
        Cells, and those of them with a known label and a prediction.
    accuracy
        Fraction that is right.
    balanced_accuracy
        Mean recall of the labels.
    majority_accuracy
        Accuracy of the label that is most frequent among the source's cells, given to every cell.
    chance_accuracy
        Expected accuracy of labels drawn as frequent as among the source's cells.
    mean_confidence
        Of the scored cells; that of calibrated confidences equals the accuracy.
    calibration_error
        Mean of |accuracy - mean confidence| over the bins of `by_confidence`, weighted by their cells.
    by_label
        For each label, its cells and the fraction of them that is right (recall), how often it was predicted and the
        fraction of that which is right (precision).
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


def assess(table: pd.DataFrame, labels: NDArray[np.str_], scope: str = ALL_CELLS) -> Assessment | None:
    """Compare predictions with known labels; None where no cell has both.

    Parameters
    ----------
    table
        With columns `predicted`, `confidence` and `truth`.
    labels
        (n,) of the cells that voted.
    scope
        Name for the result.
    """
    scored = table.dropna(subset=["predicted", "truth"])
    if scored.empty:
        return None
    right = scored["predicted"] == scored["truth"]
    by_label = tuple(_of_label(name, scored, right) for name in sorted(scored["truth"].unique()))
    by_confidence = tuple(_of_bins(scored["confidence"], right))
    classes, counts = np.unique(labels, return_counts=True)
    frequency = scored["truth"].value_counts(normalize=True)
    drawn = pd.Series(counts / counts.sum(), index=classes)
    gaps = [one["n_cells"] * abs(one["accuracy"] - one["mean_confidence"]) for one in by_confidence]
    return Assessment(
        scope=scope,
        n_cells=len(table),
        n_scored=len(scored),
        accuracy=float(right.mean()),
        balanced_accuracy=float(np.mean([one["recall"] for one in by_label])),
        majority_accuracy=float(frequency.get(classes[counts.argmax()], 0.0)),
        chance_accuracy=float((drawn * frequency).sum()),
        mean_confidence=float(scored["confidence"].mean()),
        calibration_error=float(sum(gaps) / len(scored)),
        by_label=by_label,
        by_confidence=by_confidence,
    )


def _of_label(name: str, scored: pd.DataFrame, right: pd.Series) -> dict[str, Any]:
    has, got = scored["truth"] == name, scored["predicted"] == name
    return {
        "label": name,
        "n_cells": int(has.sum()),
        "recall": float(right[has].mean()),
        "n_predicted": int(got.sum()),
        "precision": float(right[got].mean()) if got.any() else float("nan"),
    }


def _of_bins(confidence: pd.Series, right: pd.Series) -> list[dict[str, Any]]:
    """Accuracy in each bin that holds cells; a confidence at an edge belongs to the bin above it."""
    place = np.clip(np.searchsorted(CONFIDENCES, confidence, side="right") - 1, 0, len(CONFIDENCES) - 2)
    return [
        {
            "from": CONFIDENCES[i],
            "to": CONFIDENCES[i + 1],
            "n_cells": int((place == i).sum()),
            "accuracy": float(right[place == i].mean()),
            "mean_confidence": float(confidence[place == i].mean()),
        }
        for i in np.unique(place)
    ]
