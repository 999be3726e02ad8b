"""Values that are not what they are called, told of before anything is fitted."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.data import Block, Matrix, ModalityData
from jamie.core.errors import DataError
from jamie.core.interfaces import Preprocessor
from jamie.core.matrix import format_percent, stored_position, stored_values, to_dense
from jamie.data.checks.support import layers_of_counts
from jamie.data.checks.value_kinds import SAYS, kind_of

if TYPE_CHECKING:
    from anndata import AnnData

FEW = 0.01  # of the values; so few that are negative are slips in counts, more make another kind of values
WILD = 1e4  # times what nearly all values are, and other values of the same feature
UNLOGGED = 1000  # beyond it are no logarithms

_SAMPLE = 10**6
_SAME_ROWS, _FEWEST_SAME = 50, 5

log = logging.getLogger(__name__)


def judge_values(
    block: Block, cells: pd.Index, adata: AnnData, steps: Sequence[type[Preprocessor]], key: str, where: str
) -> None:
    """Tell where values are not what their preprocessors are made for, or one of them would swallow all others.

    Parameters
    ----------
    block
        The chosen matrix; finite but for NaN that are to be filled.
    cells
        Names of the cells.
    adata
        The modality, to find a layer that would do.
    steps
        Its preprocessors.
    key
        ``modalities.rna``, for messages.
    where
        Its place in the spec.

    Raises
    ------
    DataError
        Where values that are surely no counts are given to a preprocessor of counts, or a value is beyond all others.
    """
    _refuse_wild(block, cells, where, key)
    name = _takes_counts(steps)
    if name is not None:
        _require_counts(block, cells, adata, name, [step.name for step in steps], key, where)


def _takes_counts(steps: Sequence[type[Preprocessor]]) -> str | None:
    """Name of the preprocessor of counts that reads the values as they are."""
    for step in steps:
        if step.expects_counts:
            return step.name
        if not (step.selects_features or step.accepts_nan):
            return None
    return None


def _require_counts(
    block: Block, cells: pd.Index, adata: AnnData, name: str, steps: Sequence[str], key: str, where: str
) -> None:
    """Refuse values below 0, and logarithms."""
    values = stored_values(block.X)
    negative = values < 0
    n_negative, size = int(negative.sum()), block.X.shape[0] * block.X.shape[1]
    if n_negative:
        first = int(np.argmax(negative))
        row, column = stored_position(block.X, first)
        found = (
            f"{n_negative} negative value{'s' * (n_negative > 1)} ({format_percent(n_negative, size)}); the first is "
            f"{values[first]:.4g} in cell '{cells[row]}', feature '{block.features[column]}'"
        )
        fix = "a count cannot be negative: correct these values, or leave those cells out"
        if n_negative > FEW * size:
            found = f"{SAYS[kind_of(block.X)]}: {found}"
            fix = _without(name, steps, adata, key)
    elif kind_of(block.X) == "logarithms":
        found = f"{SAYS['logarithms']}, none above {values.max():.4g}"
        fix = _without(name, steps, adata, key)
    else:
        return
    raise DataError(f"expected counts in {block.origin} for {name}, found {found}", where=where, fix=fix)


def _without(name: str, steps: Sequence[str], adata: AnnData, key: str) -> str:
    """Say which one setting to change."""
    layers = list(layers_of_counts(adata))
    others = [step for step in steps if step != name] or ["standardize"]
    left_out = f"{key}.preprocess to [{', '.join(others)}], without {name}"
    if not layers:
        return f"no layer holds counts: set {left_out}"
    return f"set {key}.layer to {layers[0] if layers[0] != 'X' else 'null'}, which holds counts; or {left_out}"


def warn_of_unlogged(name: str, X: Matrix) -> None:
    """Say so where values look like TPM, CPM or intensities of which no logarithm was taken."""
    largest = float(np.nanmax(stored_values(X), initial=0))
    if largest < UNLOGGED:
        return
    kind, zeros = kind_of(X), 1 - np.count_nonzero(stored_values(X)) / max(1, X.shape[0] * X.shape[1])
    if kind == "normalised" or (kind == "fractions" and zeros > 0.2):
        log.warning(
            "modality '%s' looks like TPM, CPM or intensities without a logarithm (up to %.4g), of which a few "
            "outweigh all others: put log_normalize first in modalities.%s.preprocess, or choose a layer of logarithms",
            *(name, largest, name),
        )


def _refuse_wild(block: Block, cells: pd.Index, where: str, key: str) -> None:
    """Refuse a value far beyond all others, of its own feature as well."""
    values = stored_values(block.X)
    limit = WILD * _nearly_largest(values[:: max(1, len(values) // _SAMPLE)])
    if not len(values) or limit == 0 or max(np.nanmax(values), -np.nanmin(values)) <= limit:
        return
    entries = np.flatnonzero(np.abs(values) > limit)
    places = [stored_position(block.X, int(entry)) for entry in entries[:_SAME_ROWS]]
    wild = [at for at in places if _is_wild(block.X, at)]
    if not wild:
        return
    row, column = wild[0]
    value = to_dense(block.X[[row]])[0, column]
    raise DataError(
        f"expected values of one scale in {block.origin}, found {len(wild)} beyond {WILD:,.0f} times nearly all "
        f"others: {value:.4g} in cell '{cells[row]}', feature '{block.features[column]}'",
        where=where,
        fix="scaling would be by this alone: correct it, leave the cell out, or set it to NaN and put fill_missing "
        f"first in {key}.preprocess",
    )


def _nearly_largest(values: NDArray[np.float32]) -> float:
    """Return the magnitude that all but a thousandth of the values that are not 0, and all but three, stay below."""
    found = np.abs(values[np.isfinite(values) & (values != 0)])
    n_beyond = max(3, len(found) // 1000)
    return float(np.partition(found, -n_beyond - 1)[-n_beyond - 1]) if len(found) > 10 * n_beyond else 0.0


def _is_wild(X: Matrix, at: tuple[int, int]) -> bool:
    """Whether a value is far beyond the other values of its feature, which may have a scale of its own."""
    row, column = at
    own = np.abs(to_dense(X[:, [column]]).ravel())
    value, others = own[row], np.delete(own, row)
    others = others[others > 0]  # NaN is not
    return len(others) < 3 or bool(value > WILD * np.median(others))


def warn_of_copies(modalities: Mapping[str, ModalityData]) -> None:
    """Say so where one modality holds the values of another, or a plain transform of them."""
    for a, b in combinations(modalities, 2):
        rows = _same_rows(modalities[a], modalities[b])
        if rows is None:
            continue
        x, y = rows
        found = "the same values" if np.array_equal(x, y) else "values that follow from those of the other"
        if np.array_equal(x, y) or _is_transform(x, y):
            log.warning(
                "modalities '%s' and '%s' hold %s, cell by cell: to impute one from the other tells nothing; if that "
                "is not meant, choose another layer of one of them, or leave it out",
                *(a, b, found),
            )


def _same_rows(a: ModalityData, b: ModalityData) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """Values of some cells that both have, their features in one order; None where they cannot be copies."""
    if len(a.input.features) != len(b.input.features):
        return None
    row = b.cells.get_indexer(a.cells)
    both = np.flatnonzero(row >= 0)[:_SAME_ROWS]
    if len(both) < _FEWEST_SAME:
        return None
    column = b.input.features.get_indexer(a.input.features)
    column = np.arange(len(column)) if (column < 0).any() else column
    return to_dense(a.input.X[both]), to_dense(b.input.X[row[both]])[:, column]


def _is_transform(x: NDArray[np.float32], y: NDArray[np.float32]) -> bool:
    """Whether the values of every cell are in one order in both, as of counts and their logarithms."""
    told = 0
    for one, other in zip(x, y, strict=True):
        order = np.lexsort((other, one))
        up, also_up = np.diff(one[order]) > 0, np.diff(other[order])
        if not np.array_equal(up, also_up > 0) or (also_up < 0).any():
            return False
        told += up.sum() >= _FEWEST_SAME
    return told >= _FEWEST_SAME
