"""Cells whose labels are voted on, and the cells that vote."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.errors import DataError
from jamie.core.explanation import Explainable
from jamie.explain.attribution.integrated_gradients import AttributionTask
from jamie.explain.attribution.soft_votes import SoftVotes
from jamie.explain.removal import BackgroundValue, Indices, Removal
from jamie.explain.selection import CellSelection, labelled_cells

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LabelVote:
    """A label that is transferred between two modalities.

    Parameters
    ----------
    modality
        Of the cells that are voted on.
    reference
        Of the voting cells.
    label
        Column of obs.
    where
        For messages.
    """

    modality: str
    reference: str
    label: str
    where: str

    def labelled(
        self, subject: Explainable, modality: str, selection: CellSelection
    ) -> tuple[Indices, NDArray[np.str_]]:
        """Return the selected cells of a modality that have a label, and their labels."""
        cells = selection.positions(subject, (modality,))[modality]
        cells = cells[labelled_cells(subject, modality, self.label, cells, self.where)]
        return cells, subject.dataset.modalities[modality].labels(self.label)[cells].astype(str)


def attribution_task(
    subject: Explainable, vote: LabelVote, k: int, background: BackgroundValue, selection: CellSelection
) -> AttributionTask:
    """Choose the voting cells and the cells that are voted on.

    Cells whose label no other cell votes for are left out, with a warning.

    Raises
    ------
    DataError
        If no cell has a label, all voting cells have the same, or they are no more than k.
    """
    modality, reference = vote.modality, vote.reference
    training = CellSelection("train", selection.max_cells, selection.context)
    voters, labels = vote.labelled(subject, reference, training)
    cells, own = vote.labelled(subject, modality, selection)
    excluded = _excluded_voters(subject, modality, cells, reference, voters)
    kept = _cells_with_votes(vote, own, labels, excluded)
    excluded = excluded[kept]
    fewest = len(voters) - int((excluded > 0).sum(axis=1).max())
    if k >= fewest:  # all voters would count the same
        raise DataError(
            f"expected k below the number of labelled cells of {reference} that vote, {fewest}, found {k}",
            where=f"{vote.where}, k",
            fix=f"give at most {fewest - 1}; a much smaller k tells near cells from others",
        )
    removal = Removal.to_background(subject, modality, cells[kept], background)
    module = subject.module(modality, preprocessed=removal.A is not None)
    votes = SoftVotes(subject.embed(reference, subject.scores(reference)[voters], voters), labels, k, module)
    return AttributionTask(removal, module, votes, excluded, np.searchsorted(votes.classes, own[kept]))


def _excluded_voters(
    subject: Explainable, modality: str, cells: Indices, reference: str, voters: Indices
) -> sparse.csr_array:
    """(n, n_v) voters that are the cell itself, or its partner."""
    same = (
        sparse.eye_array(subject.dataset.sizes[modality], format="csr")
        if modality == reference
        else subject.dataset.truth.between(modality, reference).matrix
    )
    return sparse.csr_array(same[cells][:, voters])


def _cells_with_votes(
    vote: LabelVote, own: NDArray[np.str_], labels: NDArray[np.str_], excluded: sparse.csr_array
) -> NDArray[np.intp]:
    """Cells with at least one vote for their label and one against it.

    Parameters
    ----------
    vote
        For messages.
    own : (n,)
        Labels of the cells.
    labels : (n_v,)
        Labels of the voters.
    excluded : (n, n_v)
        Voters without a vote on a cell.
    """
    classes, codes = np.unique(labels, return_inverse=True)
    one_hot = np.eye(len(classes))[codes]
    votes = one_hot.sum(axis=0) - (excluded > 0) @ one_hot
    for_own = np.where(own[:, None] == classes, votes, 0).sum(axis=1)
    kept = np.flatnonzero((for_own > 0) & (votes.sum(axis=1) > for_own))
    if not len(kept):
        raise DataError(
            f"expected cells with votes for and against their label, found none: {len(classes)} labels among "
            f"{len(labels)} voting cells",
            where=f"{vote.where}, label '{vote.label}'",
            fix="name another column of obs, with at least 2 labels that several cells share",
        )
    if len(kept) < len(own):
        log.warning(
            "attribution: %d of %d cells of %s have labels that no other cell of %s votes for, and are left out",
            *(len(own) - len(kept), len(own), vote.modality, vote.reference),
        )
    return kept
