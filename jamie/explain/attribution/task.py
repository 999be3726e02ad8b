"""Whose label is voted on in an attribution, and by whom."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.context import Context
from jamie.core.errors import DataError
from jamie.core.explanation import Explainable
from jamie.explain.attribution.integrated_gradients import Task
from jamie.explain.attribution.soft_votes import SoftVotes
from jamie.explain.background import Background, background_values
from jamie.explain.removal import Indices, Removal
from jamie.explain.selection import CellChoice, choose_cells

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Direction:
    """Which cells vote on which.

    Parameters
    ----------
    modality
        Of the cells that are voted on.
    reference
        Of the cells that vote.
    label
        Column of obs.
    where
        For messages.
    """

    modality: str
    reference: str
    label: str
    where: str


def attribution_task(
    subject: Explainable,
    direction: Direction,
    *,
    k: int,
    background: Background,
    which: CellChoice | None,
    most: int | None,
    context: Context,
) -> Task:
    """Find the cells that vote, and those that are voted on; parameters are those of the explainer.

    Cells whose label no other cell votes for are left out, with a warning.

    Raises
    ------
    DataError
        Where no cell has a label, those that vote have only one, or they are no more than k.
    """
    modality, reference = direction.modality, direction.reference
    data = subject.dataset.modalities[modality]
    voters = _labelled(subject, direction, reference, choose_cells(subject, (reference,), "train", most, context))
    cells = _labelled(subject, direction, modality, choose_cells(subject, (modality,), which, most, context))
    labels = subject.dataset.modalities[reference].labels(direction.label)[voters].astype(str)
    itself = _itself(subject, modality, cells, reference, voters)
    votable = _votable(direction, data.labels(direction.label)[cells].astype(str), labels, itself)
    _require_more_than(k, direction, itself[votable])
    values = background_values(data.input.X[subject.split.train[modality]], background)
    removal = Removal(subject, modality, cells[votable], values)
    module = subject.module(modality, preprocessed=removal.A is not None)
    votes = SoftVotes(subject.embed(reference, subject.scores(reference)[voters], voters), labels, k, module)
    own = data.labels(direction.label)[removal.cells].astype(str)
    return Task(removal, module, votes, itself[votable], np.searchsorted(votes.classes, own))


def _labelled(subject: Explainable, direction: Direction, modality: str, cells: dict[str, Indices]) -> Indices:
    """Keep the cells that have a label."""
    labels = subject.dataset.modalities[modality].labels(direction.label)[cells[modality]]
    found = cells[modality][pd.notna(labels)]
    if not len(found):
        raise DataError(
            f"expected cells of {modality} with a label, found none among {len(labels)}",
            where=f"{direction.where}, label '{direction.label}'",
            fix="name another column of obs, or choose other cells",
        )
    return found


def _itself(subject: Explainable, modality: str, cells: Indices, reference: str, voters: Indices) -> sparse.csr_array:
    """(n, n_v) voters that are the cell itself, or its partner."""
    if modality == reference:
        at = pd.Index(voters).get_indexer(pd.Index(cells))
        found = np.flatnonzero(at >= 0)
        shape = (len(cells), len(voters))
        return sparse.csr_array((np.ones(len(found), np.float32), (found, at[found])), shape=shape)
    truth = subject.dataset.truth.between(modality, reference).matrix
    return sparse.csr_array(truth[cells][:, voters])


def _require_more_than(k: int, direction: Direction, itself: sparse.csr_array) -> None:
    """Refuse a k of as many voters as there are: all would count alike, whatever the cell."""
    fewest = itself.shape[1] - int((itself > 0).sum(axis=1).max())
    if k >= fewest:
        raise DataError(
            f"expected k below the number of labelled cells of {direction.reference} that vote, {fewest}, found {k}",
            where=f"{direction.where}, k",
            fix=f"give at most {fewest - 1}; far fewer tell near cells from others",
        )


def _votable(
    direction: Direction, own: NDArray[np.str_], labels: NDArray[np.str_], itself: sparse.csr_array
) -> NDArray[np.intp]:
    """Cells that some other cell votes for, and some against.

    Parameters
    ----------
    direction
        For messages.
    own : (n,)
        Labels of the cells.
    labels : (n_v,)
        Labels of those that vote.
    itself : (n, n_v)
        Voters without a vote on a cell.
    """
    classes, codes = np.unique(labels, return_inverse=True)
    one_hot = np.eye(len(classes))[codes]
    votes = one_hot.sum(axis=0) - (itself > 0) @ one_hot
    mine = np.where(own[:, None] == classes, votes, 0).sum(axis=1)
    found = np.flatnonzero((mine > 0) & (votes.sum(axis=1) > mine))
    if not len(found):
        raise DataError(
            f"expected cells that others vote for and against, found none: {len(classes)} labels among "
            f"{len(labels)} cells that vote",
            where=f"{direction.where}, label '{direction.label}'",
            fix="name another column of obs, with at least 2 labels that several cells share",
        )
    if len(found) < len(own):
        log.warning(
            "attribution: %d of %d cells of %s have labels that no other cell of %s votes for, and are left out",
            *(len(own) - len(found), len(own), direction.modality, direction.reference),
        )
    return found
