"""Labels of one modality's cells, predicted from labeled cells of another in the latent space."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.errors import DataError
from jamie.core.evaluation import Labels
from jamie.core.names import ALL_CELLS, HELD_OUT, HELD_OUT_CELLS, TRAIN
from jamie.metrics.classification_report import ClassificationReport, classification_report
from jamie.metrics.labels import MOST_DISTINCT
from jamie.metrics.neighbors import label_probabilities, nearest_neighbors

log = logging.getLogger(__name__)

NEW = "new"


@dataclass(frozen=True)
class LatentCells:
    """Cells of one modality in the latent space.

    Parameters
    ----------
    modality
        Its name.
    cells : (n,)
        Names.
    z : (n, L)
        Latents; NaN for a cell that was not embedded.
    labels : (n,)
        None for a cell without one.
    split : (n,)
        ``train``, ``held_out`` or ``new``.
    """

    modality: str
    cells: pd.Index
    z: NDArray[np.floating]
    labels: Labels
    split: NDArray[np.object_]


@dataclass(frozen=True)
class LabelTransfer:
    """Predicted labels.

    Parameters
    ----------
    source, target
        Modalities.
    table
        One row for each cell of the target: `cell`, `predicted`, `confidence`, `truth`, `split`.
    n_labelled
        Cells of the source that had a vote.
    k
        Number of neighbors that voted.
    reports
        For each scope in which labels are known.
    unseen
        Labels of the target that no voting cell has, with the number of cells: these cannot be predicted.
    method
        Whose latent space it is, where that is known.
    """

    source: str
    target: str
    table: pd.DataFrame
    n_labelled: int
    k: int
    reports: tuple[ClassificationReport, ...]
    unseen: Mapping[str, int]
    method: str = ""


def transfer_labels(
    source: LatentCells, target: LatentCells, k: int = 5, partners: sparse.csr_array | None = None
) -> LabelTransfer:
    """Predict the label of every cell of the target by its k nearest labeled training cells of the source.

    Each of these votes with one over its euclidean distance. The label with most of the votes is predicted, and its
    fraction of them, from 1 / k to 1, is the confidence: that of
    ``sklearn.neighbors.KNeighborsClassifier(k, weights="distance")``.

    Parameters
    ----------
    source
        Only its training cells vote, those with a label.
    target
        Its labels are used for the classification reports alone.
    k
        Number of neighbors; all of them if they are fewer.
    partners : (n_t, n_s)
        Cells of the source that have no vote on a cell of the target, as it is the same cell.

    Raises
    ------
    DataError
        If the source has no labeled training cell.
    """
    voting = np.flatnonzero((source.split == TRAIN) & pd.notna(source.labels) & np.isfinite(source.z).all(axis=1))
    if not len(voting):
        raise DataError(
            f"expected labeled training cells, found none among {len(source.cells)} cells of {source.modality}, "
            f"{int(pd.notna(source.labels).sum())} of them labeled",
            where=f"modality '{source.modality}'",
            fix="choose another label, or another modality as the source",
        )
    labels = source.labels[voting].astype(str)
    _warn_of_few_votes(source.modality, labels, k)
    k = min(k, len(voting))
    predicted, confidence = _predict(source.z[voting], labels, target.z, k, partners, voting)
    truth = [None if pd.isna(label) else str(label) for label in target.labels]
    table = pd.DataFrame(
        {
            "cell": target.cells.astype(str),
            "predicted": pd.Series(predicted, dtype=object),  # pandas 3 would make None a NaN
            "confidence": confidence,
            "truth": pd.Series(truth, dtype=object),
            "split": target.split,
        }
    )
    known = table["truth"].dropna()
    unseen = {str(label): int(n) for label, n in known[~known.isin(np.unique(labels))].value_counts().items()}
    if unseen:
        log.warning(
            "%s: no labeled training cell of %s has these labels, so none is predicted: %s",
            *(target.modality, source.modality, ", ".join(f"{label} ({n})" for label, n in unseen.items())),
        )
    scopes = {ALL_CELLS: table, HELD_OUT_CELLS: table[table["split"] == HELD_OUT]}
    reports = (classification_report(rows, labels, name) for name, rows in scopes.items())
    scored = tuple(report for report in reports if report)
    return LabelTransfer(source.modality, target.modality, table, len(voting), k, scored, unseen)


def _warn_of_few_votes(modality: str, labels: NDArray[np.str_], k: int) -> None:
    """Warn of fewer votes than neighbors, and of labels that hardly any two cells share."""
    n_labels = len(np.unique(labels))
    if len(labels) < k:
        log.info("%s: %d labeled training cells, so that all of them vote, not %d", modality, len(labels), k)
    if n_labels > max(1, MOST_DISTINCT * len(labels)):
        log.warning("%s: %d labeled cells have %d different labels", modality, len(labels), n_labels)


def _predict(
    z_source: NDArray[np.floating],
    labels: NDArray[np.str_],
    z_target: NDArray[np.floating],
    k: int,
    partners: sparse.csr_array | None,
    voting: NDArray[np.int64],
) -> tuple[NDArray[np.object_], NDArray[np.float64]]:
    """Labels and confidences; None and NaN for a cell that is not embedded, or whose only neighbor is its partner."""
    predicted = np.full(len(z_target), None, dtype=object)
    confidence = np.full(len(z_target), np.nan)
    embedded = np.flatnonzero(np.isfinite(z_target).all(axis=1))
    if len(embedded):
        excluded = None if partners is None else sparse.csr_array(partners[embedded][:, voting])
        neighbors = nearest_neighbors(z_source, z_target[embedded], k, excluded)
        classes, probabilities = label_probabilities(neighbors, labels, by_distance=True)
        decided = probabilities.any(axis=1)
        predicted[embedded[decided]] = classes[probabilities.argmax(axis=1)][decided]
        confidence[embedded[decided]] = probabilities.max(axis=1)[decided]
    n_missing = pd.isna(predicted).sum()
    if n_missing:
        log.warning("%d of %d cells have no prediction, as they are not embedded", n_missing, len(predicted))
    return predicted, confidence
