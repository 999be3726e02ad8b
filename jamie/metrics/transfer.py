"""Labels of one modality's cells, predicted from labelled cells of another in the latent space."""

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
from jamie.metrics.assessment import Assessment, assess
from jamie.metrics.neighbors import nearest_cells, vote_shares
from jamie.metrics.scopes import MOST_DISTINCT

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
        None where there is none.
    split : (n,)
        ``train``, ``held_out`` or ``new``.
    """

    modality: str
    cells: pd.Index
    z: NDArray[np.floating]
    labels: Labels
    split: NDArray[np.object_]


@dataclass(frozen=True)
class Transfer:
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
        Neighbours that voted.
    assessments
        In each scope where labels are known.
    unseen
        Labels of the target that no voting cell has, with the number of cells: these cannot be right.
    """

    source: str
    target: str
    table: pd.DataFrame
    n_labelled: int
    k: int
    assessments: tuple[Assessment, ...]
    unseen: Mapping[str, int]


def transfer_labels(
    source: LatentCells, target: LatentCells, k: int = 5, partners: sparse.csr_array | None = None
) -> Transfer:
    """Predict the label of every cell of the target by its k nearest labelled training cells of the source.

    Each of these votes with one over its euclidean distance. The label with most of the votes is predicted, and its
    share of them, from 1 / k to 1, is the confidence: that of
    ``sklearn.neighbors.KNeighborsClassifier(k, weights="distance")``.

    Parameters
    ----------
    source
        Only its training cells vote, those with a label.
    target
        Its labels are used to assess the predictions alone.
    k
        Neighbours; as many as there are, where they are fewer.
    partners : (n_t, n_s)
        Cells of the source that have no vote on a cell of the target, as it is the same cell.

    Raises
    ------
    DataError
        Where the source has no labelled training cell.
    """
    voting = np.flatnonzero((source.split == TRAIN) & pd.notna(source.labels) & np.isfinite(source.z).all(axis=1))
    if not len(voting):
        raise DataError(
            f"expected labelled training cells, found none among {len(source.cells)} cells of {source.modality}, "
            f"{int(pd.notna(source.labels).sum())} of them labelled",
            where=f"modality '{source.modality}'",
            fix="choose another label, or another modality as the source",
        )
    labels = source.labels[voting].astype(str)
    _notice(source, labels, k)
    k = min(k, len(voting))
    predicted, confidence = _predict(source.z[voting], labels, target.z, k, partners, voting)
    truth = np.array([None if pd.isna(one) else str(one) for one in target.labels], dtype=object)
    table = pd.DataFrame(
        {
            "cell": target.cells.astype(str),
            "predicted": pd.Series(predicted, dtype=object),  # pandas 3 would make None a NaN
            "confidence": confidence,
            "truth": pd.Series(truth, dtype=object),
            "split": target.split,
        }
    )
    unseen = _unseen(table, labels, source.modality, target.modality)
    scopes = {ALL_CELLS: table, HELD_OUT_CELLS: table[table["split"] == HELD_OUT]}
    assessments = tuple(one for name, rows in scopes.items() if (one := assess(rows, labels, name)))
    return Transfer(source.modality, target.modality, table, len(voting), k, assessments, unseen)


def _notice(source: LatentCells, labels: NDArray[np.str_], k: int) -> None:
    n_labels = len(np.unique(labels))
    if len(labels) < k:
        log.info("%s: %d labelled training cells, so that all of them vote, not %d", source.modality, len(labels), k)
    if n_labels > max(1, MOST_DISTINCT * len(labels)):
        log.warning("%s: %d labelled cells have %d different labels", source.modality, len(labels), n_labels)


def _predict(
    z_source: NDArray[np.floating],
    labels: NDArray[np.str_],
    z_target: NDArray[np.floating],
    k: int,
    partners: sparse.csr_array | None,
    voting: NDArray[np.int64],
) -> tuple[NDArray[np.object_], NDArray[np.float64]]:
    """Labels and confidences; None and NaN for a cell that is not embedded, or whose only neighbour is its partner."""
    predicted = np.full(len(z_target), None, dtype=object)
    confidence = np.full(len(z_target), np.nan)
    embedded = np.flatnonzero(np.isfinite(z_target).all(axis=1))
    if len(embedded):
        own = None if partners is None else sparse.csr_array(partners[embedded][:, voting])
        classes, shares = vote_shares(nearest_cells(z_source, z_target[embedded], k, own), labels, by_distance=True)
        decided = shares.any(axis=1)
        predicted[embedded[decided]] = classes[shares.argmax(axis=1)][decided]
        confidence[embedded[decided]] = shares.max(axis=1)[decided]
    if pd.isna(predicted).any():
        log.warning(
            "%d of %d cells have no prediction, as they are not embedded", pd.isna(predicted).sum(), len(predicted)
        )
    return predicted, confidence


def _unseen(table: pd.DataFrame, labels: NDArray[np.str_], source: str, target: str) -> dict[str, int]:
    known = table["truth"].dropna()
    counts = known[~known.isin(np.unique(labels))].value_counts()
    if len(counts):
        named = ", ".join(f"{label} ({n})" for label, n in counts.items())
        log.warning(
            "%s: no labelled training cell of %s has these labels, so none is predicted: %s", target, source, named
        )
    return {str(label): int(n) for label, n in counts.items()}
