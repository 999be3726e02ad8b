"""Checks of values: finite, of one scale, and of the kind that their preprocessors need."""

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
from jamie.core.matrix import find_non_finite, format_percent, stored_position, stored_values, to_dense
from jamie.data.checks.messages import describe_entry
from jamie.data.checks.support import count_layers
from jamie.data.checks.value_kinds import DESCRIPTIONS, kind_of, largest_count, looks_like_counts

if TYPE_CHECKING:
    from anndata import AnnData

MAX_ERRORS = 0.01  # share of the values; so few negative ones are errors in counts, more make another kind of values
OUTLIER_FACTOR = 1e4  # times nearly all values, and the other values of the same feature
MAX_LOG = 1000  # larger values are no logarithms

_SAMPLE = 10**6
_MAX_COMPARED, _MIN_COMPARED = 50, 5

log = logging.getLogger(__name__)


def require_finite(
    block: Block, cells: pd.Index, where: str, nan_allowed: bool = False, fix: str | None = None
) -> None:
    """Refuse values that are NaN (unless they are to be filled) or infinite; `fix` says what to do about NaN.

    Raises
    ------
    DataError
        With their number, and the cell and feature of the first.
    """
    wrong = find_non_finite(block.X, nan_allowed=nan_allowed)
    if wrong is None:
        return
    first = f"the first is cell '{cells[wrong.row]}', feature '{block.features[wrong.column]}'"
    size = block.X.shape[0] * block.X.shape[1]
    found = f"{wrong.count} ({format_percent(wrong.count, size)}) that are NaN or infinite"
    if nan_allowed:
        found = f"{wrong.count} that are infinite"
        fix = "an infinite value is not a missing one: correct it, or set it to NaN to have it filled"
    elif fix is None and wrong.count == size:
        fix = "choose another layer or obsm, or leave this modality out: name only those you want under modalities"
    elif fix is None:
        fix = "put fill_missing first in this modality's preprocess to fill NaN, or remove those cells or features"
    raise DataError(f"expected finite values, found {found} in {block.origin}; {first}", where=where, fix=fix)


def check_values(
    block: Block, cells: pd.Index, adata: AnnData, steps: Sequence[type[Preprocessor]], key: str, where: str
) -> None:
    """Refuse values that their preprocessors are not made for, or of which one would dominate all others.

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
        Its position in the spec.

    Raises
    ------
    DataError
        Where a preprocessor of counts gets values that cannot be counts, or a value is far above all others.
    """
    _refuse_outliers(block, cells, where, key)
    name = _count_preprocessor(steps)
    if name is not None:
        _require_counts(block, cells, adata, name, [step.name for step in steps], key, where)


def _count_preprocessor(steps: Sequence[type[Preprocessor]]) -> str | None:
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
        share, first = format_percent(n_negative, size), describe_entry(block, cells, int(np.argmax(negative)))
        found = f"{n_negative} negative value{'s' * (n_negative > 1)} ({share}); the first is {first}"
        fix = "a count cannot be negative: correct these values, or leave those cells out"
        if n_negative > MAX_ERRORS * size:
            found = f"{DESCRIPTIONS[kind_of(block.X)]}: {found}"
            fix = _without(name, steps, adata, key)
    elif kind_of(block.X) == "logarithms":
        found = f"{DESCRIPTIONS['logarithms']}, none above {values.max():.4g}"
        fix = _without(name, steps, adata, key)
    else:
        return
    raise DataError(f"expected counts in {block.origin} for {name}, found {found}", where=where, fix=fix)


def _without(name: str, steps: Sequence[str], adata: AnnData, key: str) -> str:
    """Say which setting to change."""
    layers = list(count_layers(adata))
    others = [step for step in steps if step != name] or ["standardize"]
    left_out = f"{key}.preprocess to [{', '.join(others)}], without {name}"
    if not layers:
        return f"no layer holds counts: set {left_out}"
    return f"set {key}.layer to {layers[0] if layers[0] != 'X' else 'null'}, which holds counts; or {left_out}"


def warn_of_unnormalized(name: str, X: Matrix) -> None:
    """Warn of raw counts, and of TPM, CPM or intensities without a logarithm, that no preprocessor normalises."""
    if looks_like_counts(X):
        log.warning(
            "modality '%s' looks like raw counts (whole numbers up to %d): put log_normalize first in "
            "modalities.%s.preprocess, or choose a normalised layer",
            *(name, largest_count(X), name),
        )
    largest = float(np.nanmax(stored_values(X), initial=0))
    if largest < MAX_LOG:
        return
    kind, zeros = kind_of(X), 1 - np.count_nonzero(stored_values(X)) / max(1, X.shape[0] * X.shape[1])
    if kind == "normalised" or (kind == "fractions" and zeros > 0.2):
        log.warning(
            "modality '%s' looks like TPM, CPM or intensities without a logarithm (up to %.4g), of which a few "
            "outweigh all others: put log_normalize first in modalities.%s.preprocess, or choose a layer of logarithms",
            *(name, largest, name),
        )


def _refuse_outliers(block: Block, cells: pd.Index, where: str, key: str) -> None:
    """Refuse a value far above all others, of its own feature as well."""
    values = stored_values(block.X)
    limit = OUTLIER_FACTOR * _nearly_largest(values[:: max(1, len(values) // _SAMPLE)])
    if not len(values) or limit == 0 or max(np.nanmax(values), -np.nanmin(values)) <= limit:
        return
    entries = np.flatnonzero(np.abs(values) > limit)[:_MAX_COMPARED]
    outliers = [entry for entry in map(int, entries) if _is_outlier(block.X, *stored_position(block.X, entry))]
    if outliers:
        raise DataError(
            f"expected values of one scale in {block.origin}, found {len(outliers)} beyond {OUTLIER_FACTOR:,.0f} times "
            f"nearly all others: {describe_entry(block, cells, outliers[0])}",
            where=where,
            fix="it alone would decide the scaling: correct it, leave the cell out, or set it to NaN and put "
            f"fill_missing first in {key}.preprocess",
        )


def _nearly_largest(values: NDArray[np.float32]) -> float:
    """Return the 99.9th percentile of the magnitudes above 0, with three values or more above it; 0 for few values."""
    sizes = np.abs(values[np.isfinite(values) & (values != 0)])
    n_above = max(3, len(sizes) // 1000)
    return float(np.partition(sizes, -n_above - 1)[-n_above - 1]) if len(sizes) > 10 * n_above else 0.0


def _is_outlier(X: Matrix, row: int, column: int) -> bool:
    """Whether a value is far above the other values of its feature, which may have a scale of its own."""
    own = np.abs(to_dense(X[:, [column]]).ravel())
    value, others = own[row], np.delete(own, row)
    others = others[others > 0]  # NaN is not
    return len(others) < 3 or bool(value > OUTLIER_FACTOR * np.median(others))


def warn_of_copies(modalities: Mapping[str, ModalityData]) -> None:
    """Warn where one modality holds the values of another, or a plain transform of them."""
    for a, b in combinations(modalities, 2):
        rows = _comparable_rows(modalities[a], modalities[b])
        if rows is not None and (np.array_equal(*rows) or _is_transform(*rows)):
            what = "the same values" if np.array_equal(*rows) else "values that follow from those of the other"
            log.warning(
                "modalities '%s' and '%s' hold %s, cell by cell: to impute one from the other shows nothing; if that "
                "is not meant, choose another layer of one of them, or leave it out",
                *(a, b, what),
            )


def _comparable_rows(a: ModalityData, b: ModalityData) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """Values of cells that both have, their features in one order; None where they cannot be copies."""
    if len(a.input.features) != len(b.input.features):
        return None
    row = b.cells.get_indexer(a.cells)
    both = np.flatnonzero(row >= 0)[:_MAX_COMPARED]
    if len(both) < _MIN_COMPARED:
        return None
    column = b.input.features.get_indexer(a.input.features)
    column = np.arange(len(column)) if (column < 0).any() else column
    return to_dense(a.input.X[both]), to_dense(b.input.X[row[both]])[:, column]


def _is_transform(x: NDArray[np.float32], y: NDArray[np.float32]) -> bool:
    """Whether every cell orders its features the same in both, as counts and their logarithms do."""
    n_informative = 0
    for a, b in zip(x, y, strict=True):
        order = np.lexsort((b, a))
        rises, steps = np.diff(a[order]) > 0, np.diff(b[order])
        if not np.array_equal(rises, steps > 0) or (steps < 0).any():
            return False
        n_informative += rises.sum() >= _MIN_COMPARED
    return n_informative >= _MIN_COMPARED
