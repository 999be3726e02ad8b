"""Zeros that are hardly measurements: features that are 0 in a whole batch and in few other cells."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.labels import as_labels
from jamie.core.matrix import row_chunks

BATCH_NAMES = re.compile(
    r"(?<![a-z])(batch|sample|donor|patient|subject|individual|library|lane|plate|panel|dataset|study|site|cohort|"
    r"experiment|replicate|channel|pool|orig.ident|technology|platform|chemistry|assay|protocol|center|slide|section|"
    r"capture|well|chip|run)",
    re.IGNORECASE,
)
MAX_GROUPS = 50  # of a column; a column of more identifies cells
MAX_COLUMNS = 5
MIN_CELLS = 10  # of a group whose zeros are informative
CHANCE = 1e-6  # probability that any feature is 0 in all cells of any group, if groups were alike
MIN_SHARE = 0.02  # of the features: fewer may be specific to a sex or a strain
MAX_RARE = 0.1  # features that few cells of the group have, for each that none has: more mean another cell type
MAX_VALUES = 2**24  # of a matrix for which columns without a name of batches are examined too

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class GroupingColumn:
    """A column of obs with few values.

    Parameters
    ----------
    name
        Of the column.
    values : (k,)
        That it has.
    codes : (n,)
        Number of each cell's value; -1 where there is none.
    is_batch
        Whether its name is one of batches.
    """

    name: str
    values: tuple[str, ...]
    codes: NDArray[np.int64]
    is_batch: bool


@dataclass(frozen=True)
class UnmeasuredFeatures:
    """Features that all cells of a batch lack.

    Parameters
    ----------
    column, value
        Of obs: the batch.
    cells : (n,)
        True for its cells.
    features : (p,)
        True for the features.
    certain
        Whether they can hardly have been measured; otherwise the groups may be cell types that lack them.
    """

    column: str
    value: str
    cells: Mask
    features: Mask
    certain: bool


def grouping_columns(obs: pd.DataFrame, labels: Collection[str], batch_key: str | None) -> list[GroupingColumn]:
    """Return the columns of obs that divide the cells into few groups, batches first; no labels or parts of them."""
    types = [as_labels(obs[label]) for label in labels if label in obs]
    columns = []
    for name in map(str, obs.columns):
        is_key = name == batch_key
        if name in labels or (
            not is_key and (obs[name].dtype.kind == "f" or not 1 < obs[name].nunique() <= MAX_GROUPS)
        ):
            continue
        codes, values = pd.factorize(as_labels(obs[name]))
        if not is_key and any(_within(codes, label) for label in types):
            continue
        is_batch = is_key or BATCH_NAMES.search(name) is not None
        columns.append(GroupingColumn(name, tuple(map(str, values)), codes.astype(np.int64), is_batch))
    return sorted(columns, key=lambda column: (column.name != batch_key, not column.is_batch))[:MAX_COLUMNS]


def _within(codes: NDArray[np.int64], label: NDArray[np.object_]) -> bool:
    """Whether all cells of a value have the same label."""
    return bool((pd.Series(label).groupby(codes).nunique(dropna=False) == 1).all())


def unlikely_zeros(X: Any, columns: Sequence[GroupingColumn], *, every: bool = False) -> Iterator[UnmeasuredFeatures]:
    """Find the features that batches lack; the same for the same cells only once.

    Parameters
    ----------
    X : (n, p)
        Dense or CSR, float32.
    columns
        That divide its cells.
    every
        Whether to give the features of a batch that are few, or that it may lack as it is of another type.
    """
    size = X.nnz if sparse.issparse(X) else X.size
    seen: set[bytes] = set()
    for column in columns:
        if not column.is_batch and size > MAX_VALUES:
            continue
        nonzero, sizes = _nonzero_cells(X, column), np.bincount(column.codes[column.codes >= 0])
        for group, n in enumerate(sizes):
            cells = column.codes == group
            key = np.packbits(cells).tobytes()
            if key in seen or not MIN_CELLS <= n <= sizes.sum() - MIN_CELLS:
                continue
            chance = CHANCE / (X.shape[1] * len(sizes))
            features, certain = _lacking(X, cells, nonzero[group] / n, _elsewhere(nonzero, sizes, group), chance)
            if features.any() and not features.all() and (certain or every):
                seen.add(key)
                yield UnmeasuredFeatures(
                    column.name, column.values[group], cells, features, certain and column.is_batch
                )


def _nonzero_cells(X: Any, column: GroupingColumn) -> NDArray[np.float64]:
    """(k, p) number of cells of each value in which a feature is neither 0 nor missing."""
    n, p = X.shape
    known = np.flatnonzero(column.codes >= 0)
    of = sparse.csr_array((np.ones(len(known)), (column.codes[known], known)), shape=(len(column.values), n))
    counts = np.zeros((len(column.values), p))
    for rows in row_chunks(n, p):
        block = X[rows]
        if sparse.issparse(block):
            there = ((block.data != 0) & ~np.isnan(block.data)).astype(np.float64)
            counts += (of[:, rows] @ sparse.csr_array((there, block.indices, block.indptr), block.shape)).toarray()
        else:
            counts += of[:, rows] @ ((block != 0) & ~np.isnan(block)).astype(np.float64)
    return counts


def _elsewhere(nonzero: NDArray[np.float64], sizes: NDArray[np.int64], group: int) -> NDArray[np.float64]:
    """(p,) share of the other groups' cells in which a feature is neither 0 nor missing."""
    return np.asarray((nonzero.sum(axis=0) - nonzero[group]) / (sizes.sum() - sizes[group]))


def _lacking(
    X: Any, cells: Mask, inside: NDArray[np.float64], elsewhere: NDArray[np.float64], chance: float
) -> tuple[Mask, bool]:
    """(p,) features that some cells lack and that others have, and whether they can hardly have been measured."""
    with np.errstate(divide="ignore"):
        expected = cells.sum() * np.log1p(-np.minimum(elsewhere, 1)) < np.log(chance)
    lacking = expected & (inside == 0)
    rare = expected & (inside > 0) & (inside < 0.1 * elsewhere)
    lacking |= _constant(X, cells, expected & (inside == 1))
    enough = lacking.sum() >= max(1, MIN_SHARE * X.shape[1])
    return lacking, bool(enough and rare.sum() <= MAX_RARE * lacking.sum())


def _constant(X: Any, cells: Mask, candidates: Mask) -> Mask:
    """(p,) features that have one value in some cells and others elsewhere, as filling gives after scaling."""
    constant = np.zeros(X.shape[1], bool)
    places = np.flatnonzero(candidates)
    if sparse.issparse(X) or not len(places):
        return constant
    first = X[int(np.argmax(cells)), places]
    places = places[(X[np.ix_(cells, places)] == first).all(axis=0)]
    first = X[int(np.argmax(cells)), places]
    constant[places] = (X[np.ix_(~cells, places)] == first).mean(axis=0) < 0.01
    return constant
