"""Covariates of cells: their batch, and size factors."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from jamie.core.batch_key import BatchKey
from jamie.core.data import Block, Dataset, Split
from jamie.core.errors import DataError
from jamie.core.matrix import format_percent
from jamie.preprocess.counts import counted_features, totals_of

log = logging.getLogger(__name__)


def training_batches(dataset: Dataset, split: Split) -> BatchKey | None:
    """Return the batches of the training cells; None without a batch key, or if there is only one batch."""
    column = dataset.batch_key
    if column is None:
        return None
    batches = BatchKey.of(column, (data.labels(column)[split.train[m]] for m, data in dataset.modalities.items()))
    if len(batches.categories) < 2:
        message = "batch_key: all training cells are of one batch (obs '%s' is '%s'), so there are no batch covariates"
        log.info(message, column, batches.categories[0])
        return None
    return batches


def batch_covariates(dataset: Dataset, batches: BatchKey | None) -> dict[str, NDArray[np.float32]]:
    """Covariates (n_m, C) of the cells of each modality; empty without batches."""
    if batches is None:
        return {}
    column = batches.column
    return {m: batches.covariates(d.labels(column), f"modality '{m}'") for m, d in dataset.modalities.items()}


def size_factors(target: Block, train: NDArray[np.bool_], where: str) -> NDArray[np.float32]:
    """(n, 1) total count of each cell over the median of the training cells; of features measured in all cells.

    A cell without counts is treated as one with a single count: a rate of 0 would have no likelihood.

    Raises
    ------
    DataError
        Where that median is 0.
    """
    totals = totals_of(target.X, None if target.panels is None else counted_features(target.X, where))
    empty = totals < 1
    median = float(np.median(totals[train]))
    if median < 1:
        raise DataError(
            f"expected counts in most cells, found none in {format_percent(empty[train].sum(), train.sum())} of the "
            f"training cells in {target.origin}",
            where=where,
            fix="leave the empty cells out, or choose a decoder that does not predict counts",
        )
    if empty.any():
        log.warning(
            "%s: %d of %d cells have no counts in %s; their size factor is that of a cell with one",
            *(where, int(empty.sum()), len(empty), target.origin),
        )
    return (np.maximum(totals, 1) / median).astype(np.float32)[:, None]
