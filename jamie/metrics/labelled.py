"""The cells that have a label."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.errors import DataError
from jamie.core.evaluation import EmbeddedPair, Labels


def labelled(metric: str, modality: str, labels: Labels | None) -> tuple[NDArray[np.int64], NDArray[np.str_]]:
    """Return the indices and the labels of the cells of a modality that have one.

    Raises
    ------
    DataError
        Where no cell has one.
    """
    index = np.flatnonzero(pd.notna(labels)) if labels is not None else np.empty(0, np.int64)
    if labels is None or not len(index):
        raise DataError(
            f"expected labels, found none for the cells of {modality}",
            where=f"metric '{metric}'",
            fix="name a column of obs under labels, or leave the metric out of evaluate.metrics",
        )
    return index, labels[index].astype(str)


def labelled_together(metric: str, pair: EmbeddedPair) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
    """Return latents (n, L) and labels (n,) of the labelled cells of both modalities, one below the other.

    Raises
    ------
    DataError
        Where no cell of a modality has a label, or the labels make no groups: there is one only, or every cell has
        its own.
    """
    source, labels_source = labelled(metric, pair.source, pair.labels_source)
    target, labels_target = labelled(metric, pair.target, pair.labels_target)
    labels = np.concatenate([labels_source, labels_target])
    n_labels = len(np.unique(labels))
    if not 2 <= n_labels < len(labels):
        raise DataError(
            f"expected at least 2 labels and fewer than cells, found {n_labels} among {len(labels)} cells",
            where=f"metric '{metric}' of {pair.source} and {pair.target}",
            fix="name another column of obs under labels, or leave the metric out of evaluate.metrics",
        )
    return np.concatenate([pair.z_source[source], pair.z_target[target]]).astype(np.float64), labels
