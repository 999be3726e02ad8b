"""New cells' features, brought to the order that a model was fitted on."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.context import Context
from jamie.core.data import Block, Matrix
from jamie.core.errors import DataError
from jamie.core.values import row_blocks

log = logging.getLogger(__name__)

_BYTES_PER_FILLED = 16  # a float32 and an index, in the blocks and once more in the matrix made of them


def align_features(
    block: Block,
    features: pd.Index,
    fill: NDArray[np.floating],
    where: str,
    context: Context,
    max_missing: float = 0.2,
) -> Block:
    """Reorder features by name; ignore those that are not asked for, and fill in those that are absent.

    Parameters
    ----------
    block
        The new cells (n, q).
    features : (p,)
        Names that the model was fitted on, in its order.
    fill : (p,)
        Value of a feature that is absent, such as its mean over the training cells.
    where
        Modality, for messages.
    context
        For its memory limit.
    max_missing
        Largest fraction of `features` that may be absent.

    Returns
    -------
    Block
        (n, p); the block itself where its features already are as asked.

    Raises
    ------
    DataError
        Where more are absent.
    MemoryLimitError
        Where the cells are sparse and the filled features would not fit in memory.
    """
    if block.features.equals(features):
        return block
    source = block.features.get_indexer(features)
    missing = source < 0
    _report(block, features, missing, where, max_missing)
    if sparse.issparse(block.X):
        n_filled = block.X.shape[0] * int(np.count_nonzero(fill[missing]))
        context.require_memory(
            _BYTES_PER_FILLED * n_filled,
            f"{where}: filling {int(missing.sum())} missing features of {block.X.shape[0]} sparse cells",
            "add the missing features, or embed fewer cells at a time",
        )
    return replace(block, X=_gathered(block.X, source, np.asarray(fill, np.float32)), features=features)


def _report(block: Block, features: pd.Index, missing: NDArray[np.bool_], where: str, max_missing: float) -> None:
    n_extra = len(block.features) - int((~missing).sum())
    if n_extra:
        log.info("%s: %d features that the model does not know are ignored", where, n_extra)
    if not missing.any():
        return
    absent = features[missing]
    first = ", ".join(f"'{name}'" for name in absent[:3]) + (", ..." if len(absent) > 3 else "")
    found = f"{len(absent)} of {len(features)} features ({100 * missing.mean():.3g} %) are missing: {first}"
    if missing.mean() > max_missing:
        advice = "add the missing features"
        if missing.mean() > 0.5 and len(block.features):
            advice = f"use the model's names, such as '{features[0]}' (the data's first is '{block.features[0]}')"
        raise DataError(
            f"expected the features that the model was fitted on, at most {100 * max_missing:.3g} % of them missing; "
            f"{found}",
            where=where,
            fix=f"{advice}, or raise max_missing",
        )
    log.warning("%s: %s; filled with the model's own values", where, found)


def _gathered(X: Matrix, source: NDArray[np.intp], fill: NDArray[np.float32]) -> Matrix:
    """Columns `source` of X; where that is -1, a column of its fill value."""
    missing = source < 0
    if not sparse.issparse(X):
        gathered = X[:, source]  # a copy; column -1 is overwritten
        gathered[:, missing] = fill[missing]
        return gathered
    # One row of fill values, appended as features, keeps all else sparse.
    row = sparse.csr_array(fill[missing][None, :])
    column = np.where(missing, X.shape[1] + np.cumsum(missing) - 1, source)
    blocks = []
    for rows in row_blocks(X.shape[0], len(source)):
        cells = X[rows]
        filled = row[np.zeros(cells.shape[0], np.int64)]
        blocks.append(sparse.hstack([cells, filled], format="csr")[:, column])
    return sparse.csr_array(sparse.vstack(blocks, format="csr"))
