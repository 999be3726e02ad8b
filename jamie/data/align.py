"""New cells' features, brought to the order that a model was fitted on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.context import Context
from jamie.core.data import Block, Matrix
from jamie.core.errors import DataError
from jamie.core.matrix import format_percent, row_chunks
from jamie.data.checks.messages import first_names

log = logging.getLogger(__name__)

_MIN_RENAMED = 0.5  # share of the missing features that other names must explain
_BYTES_PER_FILLED = 16  # a float32 and an index, in the blocks and once more in the matrix made of them

_DIFFERENCES: dict[str, Callable[[pd.Index], pd.Index]] = {
    "in case": lambda names: names.str.casefold(),
    "by version suffixes": lambda names: names.str.replace(r"\.\d+$", "", regex=True),  # of Ensembl ids
    "by spaces": lambda names: names.str.strip(),
}


@dataclass(frozen=True)
class FeatureAlignment:
    """Positions of the features that a model was fitted on among those of new cells.

    Parameters
    ----------
    features : (p,)
        Names that the model was fitted on, in its order.
    source : (p,)
        Column of each in the data; -1 where it is absent.
    fill : (p,)
        Value of a feature that is absent.
    where
        Modality, for messages.
    n_given
        Number of features in the data.
    """

    features: pd.Index
    source: NDArray[np.intp]
    fill: NDArray[np.float32]
    where: str
    n_given: int

    @property
    def missing(self) -> NDArray[np.bool_]:
        """(p,) true for the features that are absent."""
        return self.source < 0

    def apply(self, block: Block, context: Context) -> Block:
        """Bring the features of cells (n, q) to the order of the model (n, p); the block itself if they are in it.

        Raises
        ------
        MemoryLimitError
            If the cells are sparse and the filled features would not fit in memory.
        """
        if self.n_given == len(self.source) and np.array_equal(self.source, np.arange(self.n_given)):
            return block
        if sparse.issparse(block.X):
            n_filled = block.X.shape[0] * int(np.count_nonzero(self.fill[self.missing]))
            context.require_memory(
                _BYTES_PER_FILLED * n_filled,
                f"{self.where}: filling {int(self.missing.sum())} missing features of {block.X.shape[0]} sparse cells",
                "add the missing features, or embed fewer cells at a time",
            )
        var = block.var
        if var is not None:  # of missing features, annotations are missing as well
            order = np.where(self.missing, len(var), self.source)
            var = var.reset_index(drop=True).reindex(order).set_axis(self.features)
        return replace(block, X=_gather(block.X, self.source, self.fill), features=self.features, var=var)


def find_features(
    given: pd.Index,
    features: pd.Index,
    fill: NDArray[np.floating],
    where: str,
    max_missing: float = 0.2,
    shares: NDArray[np.floating] | None = None,
    var: pd.DataFrame | None = None,
) -> FeatureAlignment:
    """Find features by name; ignore features that the model does not read, and report those that are absent.

    Parameters
    ----------
    given : (q,)
        Unique names in the data.
    features : (p,)
        Names that the model was fitted on, in its order.
    fill : (p,)
        Value of a feature that is absent, such as its mean over the training cells.
    where
        Modality, for messages.
    max_missing
        Largest fraction of `features` that may be absent.
    shares : (p,)
        Part of the variance that each feature carries, for messages.
    var : (q, ...)
        Descriptions of the data's features, for messages.

    Raises
    ------
    DataError
        If more are absent.
    """
    alignment = FeatureAlignment(features, given.get_indexer(features), np.asarray(fill, np.float32), where, len(given))
    n_extra = len(given) - int((~alignment.missing).sum())
    if n_extra:
        log.info("%s: %d features that the model does not know are ignored", where, n_extra)
    if alignment.missing.any():
        _report_missing(alignment, given, max_missing, shares, var)
    return alignment


def _report_missing(
    alignment: FeatureAlignment,
    given: pd.Index,
    max_missing: float,
    shares: NDArray[np.floating] | None,
    var: pd.DataFrame | None,
) -> None:
    """Warn of missing features, or refuse too many."""
    missing = alignment.missing
    absent = alignment.features[missing]
    first = first_names(absent, 3, quoted=True)
    problem = f"{len(absent)} of {len(missing)} features ({100 * missing.mean():.3g} %) are missing: {first}"
    if shares is not None:
        problem += f"; they carry {format_percent(shares[missing].sum(), 1)} of the variance that the model reads"
    if missing.mean() <= max_missing:
        log.warning("%s: %s; filled with their means in the training cells", alignment.where, problem)
        return
    advice = "add the missing features"
    if missing.mean() > 0.5 and len(given):
        advice = f"use the model's names, such as '{alignment.features[0]}' (the data's first is '{given[0]}')"
    advice = other_naming(given, alignment.features, var) or advice
    raise DataError(
        f"expected the features that the model was fitted on, at most {100 * max_missing:.3g} % of them missing; "
        f"{problem}",
        where=alignment.where,
        fix=f"{advice}, or raise max_missing",
    )


def _gather(X: Matrix, source: NDArray[np.intp], fill: NDArray[np.float32]) -> Matrix:
    """Columns `source` of X; for -1, a column of the fill value."""
    missing = source < 0
    if not sparse.issparse(X):
        gathered = X[:, source]  # a copy; column -1 is overwritten
        gathered[:, missing] = fill[missing]
        return gathered
    # One row of fill values, appended as features, keeps all else sparse.
    row = sparse.csr_array(fill[missing][None, :])
    column = np.where(missing, X.shape[1] + np.cumsum(missing) - 1, source)
    blocks = []
    for rows in row_chunks(X.shape[0], len(source)):
        cells = X[rows]
        filled = row[np.zeros(cells.shape[0], np.int64)]
        blocks.append(sparse.hstack([cells, filled], format="csr")[:, column])
    return sparse.csr_array(sparse.vstack(blocks, format="csr"))


def other_naming(given: pd.Index, features: pd.Index, var: pd.DataFrame | None = None) -> str:
    """Say how the names of most missing features differ from those in the data; empty if they do not occur there.

    Parameters
    ----------
    given : (q,)
        Names in the data.
    features : (p,)
        Names in the model.
    var : (q, ...)
        Annotations of the data's features, which may hold the names.
    """
    data, model = given.astype(str), features.astype(str)
    missing = model[~model.isin(data)]
    for column, values in var.items() if var is not None else ():
        if missing.isin(values.astype(str)).mean() > _MIN_RENAMED:
            return f"var column '{column}' holds the model's names: set adata.var_names = adata.var['{column}']"
    for difference, normalize in _DIFFERENCES.items():
        known = normalize(data)
        matches = normalize(missing).isin(known)
        if matches.mean() > _MIN_RENAMED:
            wanted = missing[matches][0]
            given_name = data[known == normalize(pd.Index([wanted]))[0]][0]
            return f"the names differ {difference}: '{given_name}' in the data is '{wanted}' in the model; rename them"
    return ""
