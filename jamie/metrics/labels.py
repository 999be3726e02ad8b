"""Labels of the cells that are scored."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.data import Dataset
from jamie.core.errors import DataError
from jamie.core.evaluation import EmbeddedPair, Labels
from jamie.core.labels import label_series

log = logging.getLogger(__name__)

MOST_DISTINCT = 0.5  # labels per labeled cell; a label that hardly any two cells share cannot be scored


def labeled_cells(metric: str, modality: str, labels: Labels | None) -> tuple[NDArray[np.int64], NDArray[np.str_]]:
    """Return the indices and the labels of the cells of a modality that have one.

    Raises
    ------
    DataError
        If no cell has one.
    """
    index = np.flatnonzero(pd.notna(labels)) if labels is not None else np.empty(0, np.int64)
    if labels is None or not len(index):
        raise DataError(
            f"expected labels, found none for the cells of {modality}",
            where=f"metric '{metric}'",
            fix="name a column of obs under labels, or leave the metric out of evaluate.metrics",
        )
    return index, labels[index].astype(str)


def labeled_latents(metric: str, pair: EmbeddedPair) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
    """Return latents (n, L) and labels (n,) of the labeled cells of both modalities, one below the other.

    Raises
    ------
    DataError
        If no cell of a modality has a label, or the labels make no groups: there is one only, or every cell has
        its own.
    """
    source, labels_source = labeled_cells(metric, pair.source, pair.labels_source)
    target, labels_target = labeled_cells(metric, pair.target, pair.labels_target)
    labels = np.concatenate([labels_source, labels_target])
    n_labels = len(np.unique(labels))
    if not 2 <= n_labels < len(labels):
        raise DataError(
            f"expected at least 2 labels and fewer than cells, found {n_labels} among {len(labels)} cells",
            where=f"metric '{metric}' of {pair.source} and {pair.target}",
            fix="name another column of obs under labels, or leave the metric out of evaluate.metrics",
        )
    return np.concatenate([pair.z_source[source], pair.z_target[target]]).astype(np.float64), labels


def first_label(dataset: Dataset) -> str:
    """Column of obs with the label by which imputation and matching are scored; empty if there is none."""
    return dataset.labels[0] if dataset.labels else ""


def cell_labels(dataset: Dataset, modality: str, label: str, cells: NDArray[np.int64]) -> Labels | None:
    """(n,) labels of the given cells; None if the modality has no such column."""
    data = dataset.modalities[modality]
    return data.labels(label)[cells] if label in data.obs else None


def usable_labels(dataset: Dataset, a: str, b: str) -> list[str]:
    """Return the columns of labels that can be compared between two modalities; warn of the others."""
    usable = []
    for label in dataset.labels:
        obs = {m: dataset.modalities[m].obs for m in (a, b)}
        if any(label not in frame for frame in obs.values()):
            continue  # loading the data has warned of it
        reason = _why_unusable({m: label_series(frame[label]).dropna() for m, frame in obs.items()})
        if reason:
            log.warning("label '%s' of %s and %s is not scored: %s", label, a, b, reason)
        else:
            usable.append(label)
    return usable


def _why_unusable(values: Mapping[str, pd.Series]) -> str:
    """Return why labels cannot be compared between modalities; empty if they can."""
    for m, column in values.items():
        if column.empty:
            return f"no cell of {m} has one"
        if column.nunique() > max(1, MOST_DISTINCT * len(column)):
            return f"{len(column)} cells of {m} have {column.nunique()} different values"
    first, second = values.values()
    if not first.isin(second).any():
        example = " and ".join(f"'{column.iloc[0]}' in {m}" for m, column in values.items())
        return f"they have no value in common, such as {example}"
    return ""
