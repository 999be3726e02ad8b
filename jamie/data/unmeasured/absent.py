"""Numbers in the data that are no measurements: cells padded with zeros, features that a batch lacks.

Many tools ask that unpaired cells be padded, and that all batches have the same features; files made for them hold
zeros, or NaN, for what nobody measured.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.data import Block, Matrix, ModalityData
from jamie.core.matrix import missing_counts, nonzero_counts, row_chunks, stored_chunks
from jamie.core.panels import Panels, assign_panels, has_nan, set_nan
from jamie.data.checks.messages import first_names
from jamie.data.unmeasured.features_zero_in_batch import UnmeasuredFeatures, grouping_columns, unlikely_zeros

log = logging.getLogger(__name__)

Mode: TypeAlias = Literal["auto", "keep", "mask"]
Mask: TypeAlias = NDArray[np.bool_]

MIN_ALIKE = 5  # cells that lack the very same values lack them by design, not by accident
MIN_NONZERO = 5  # features that nearly every measured cell has above 0, where zeros throughout are no measurement
MIN_EQUAL = 10  # cells of the very same values


def without_absent(data: ModalityData, mode: Mode, labels: Collection[str], batch_key: str | None) -> ModalityData:
    """Leave out the cells of a modality that were not measured; what was not measured of others becomes NaN.

    Parameters
    ----------
    data
        As it was read; never modified.
    mode
        ``auto`` takes for absent what can hardly be a value, ``mask`` also what might be one, ``keep`` nothing.
    labels
        Columns of obs that hold labels: cells of a type may truly lack a feature.
    batch_key
        Column of obs that holds batches, beside those that are called so.
    """
    if mode == "keep":
        return data
    blocks = [data.input] if data.target is data.input else [data.input, data.target]
    absent = np.logical_or.reduce([_absent_cells(block.X, data, mode) for block in blocks])
    if absent.all():
        return data  # the checks of values refuse it
    if absent.any():
        data = data.subset(~absent)
    source = _with_panels(data.input, data, mode, labels, batch_key)
    target = source if data.target is data.input else _with_panels(data.target, data, mode, labels, batch_key)
    return replace(data, input=source, target=target)


def measured_values(block: Block) -> Block:
    """Return the block with 0 for what its panels lack, so that only what should be there can be missing."""
    if block.panels is None:
        return block
    lacking = ~block.panels[assign_panels(block.X, block.panels)]
    if not sparse.issparse(block.X):
        return replace(block, X=np.where(lacking, np.float32(0), block.X))
    X: Any = block.X.copy()
    X.data[lacking[np.repeat(np.arange(X.shape[0]), np.diff(X.indptr)), X.indices]] = 0
    return replace(block, X=X)


def zero_cells(X: Matrix) -> tuple[Mask, bool]:
    """(n,) cells that are 0 in all features, and whether all others are so far from 0 that it is no measurement."""
    nonzero = nonzero_counts(X)
    others = nonzero[nonzero > 0]
    is_certain = bool(len(others)) and bool(
        np.quantile(others, 0.01) >= MIN_NONZERO or (X.shape[1] > 1 and others.min() == X.shape[1])
    )
    return nonzero == 0, is_certain


def missing_cells(X: Matrix) -> Mask:
    """(n,) cells that are NaN in all features."""
    if not has_nan(X):
        return np.zeros(X.shape[0], bool)
    entries: Any = X
    if not sparse.issparse(X):
        return np.asarray(np.isnan(entries).all(axis=1))
    row = np.repeat(np.arange(X.shape[0]), np.diff(entries.indptr))
    return np.bincount(row[np.isnan(entries.data)], minlength=X.shape[0]) == X.shape[1]


def _absent_cells(X: Matrix, data: ModalityData, mode: Mode) -> Mask:
    """(n,) cells that were not measured in this modality; logs how many and why."""
    missing, (zero, is_certain) = missing_cells(X), zero_cells(X)
    equal = _equal_cells(X) & ~zero & ~missing
    is_absent = is_certain or mode == "mask"
    if zero.any() and not is_absent:
        log.log(
            logging.INFO if zero.sum() < MIN_ALIKE else logging.WARNING,
            "modality '%s': %d of %d cells are 0 in all %d features, and taken as measured, since others are so in "
            "nearly all; if they were not measured, set modalities.%s.absent: mask",
            *(data.name, zero.sum(), len(zero), X.shape[1], data.name),
        )
    kinds = {"missing (NaN)": missing, "0": zero if is_absent else np.zeros_like(zero), "the same": equal}
    for what, cells in kinds.items():
        if cells.any() and not cells.all():
            log.warning(
                "modality '%s': %d of %d cells are %s in all %d features, and count as not measured there, such as "
                "'%s' (modalities.%s.absent: keep takes them as values)",
                *(data.name, cells.sum(), len(cells), what, X.shape[1], data.cells[int(np.argmax(cells))], data.name),
            )
    absent: Mask = np.logical_or.reduce(list(kinds.values()))
    return absent


def _equal_cells(X: Matrix) -> Mask:
    """(n,) many cells of the very same values, which no other cells share, as constant filling gives after scaling."""
    n, p = X.shape
    if p < MIN_NONZERO:
        return np.zeros(n, bool)
    key = _row_keys(X)
    _, group, counts = np.unique(key, return_inverse=True, return_counts=True)
    largest, second = (*np.sort(counts)[::-1], 0)[:2]
    if largest < max(MIN_EQUAL, 0.01 * n) or second > max(2, largest / 10):
        return np.zeros(n, bool)
    candidates = np.flatnonzero(group.ravel() == int(np.argmax(counts)))
    same = np.zeros(n, bool)
    different = np.asarray((X[candidates] != X[candidates[[0]] * np.ones(len(candidates), int)]).sum(axis=1)).ravel()
    same[candidates[different == 0]] = True
    return same


def _row_keys(X: Any) -> NDArray[np.uint64]:
    """(n,) a hash of each row: sums of integers, which do not depend on the order of addition."""
    weights = np.random.default_rng(0).integers(1, 2**63, X.shape[1], dtype=np.uint64)
    if not sparse.issparse(X):
        blocks = [np.ascontiguousarray(X[rows]).view(np.uint32) @ weights for rows in row_chunks(*X.shape)]
        return np.concatenate(blocks)
    keys = np.zeros(X.shape[0], np.uint64)
    for rows in stored_chunks(X):
        first, last = X.indptr[rows.start], X.indptr[rows.stop]
        hashed = X.data[first:last].view(np.uint32) * weights[X.indices[first:last]]
        totals = np.concatenate([np.zeros(1, np.uint64), np.cumsum(hashed, dtype=np.uint64)])
        keys[rows] = np.diff(totals[X.indptr[rows.start : rows.stop + 1] - first])
    return keys


def _with_panels(block: Block, data: ModalityData, mode: Mode, labels: Collection[str], batch_key: str | None) -> Block:
    """Return the block with NaN for what was not measured of each cell, and its panels."""
    X = block.X
    for found in unlikely_zeros(X, grouping_columns(data.obs, labels, batch_key), every=mode == "mask"):
        is_absent = found.certain or mode == "mask"
        _log_zeros(found, is_absent, data, block)
        if is_absent:
            X = set_nan(X, np.flatnonzero(found.cells), np.flatnonzero(found.features))
    panels = _panels(X, mode)
    if panels is not None and has_nan(block.X):
        _warn_missing(panels, assign_panels(block.X, panels), data, block)
    return replace(block, X=X, panels=panels)


def _panels(X: Any, mode: Mode) -> Panels | None:
    """(k, p) sets of features measured in cells that lack others; None where there are none.

    What only a few cells lack is no panel, nor is a feature that no cell was measured for.
    """
    if not has_nan(X):
        return None
    never = missing_counts(X) == X.shape[0]
    packed = np.concatenate([np.packbits(_missing(X[rows]) & ~never, axis=1) for rows in row_chunks(*X.shape)])
    patterns, counts = np.unique(packed[packed.any(axis=1)], axis=0, return_counts=True)
    kept = patterns[counts >= (1 if mode == "mask" else MIN_ALIKE)]
    if len(kept) == 0:
        return None
    lacking = np.unpackbits(kept, axis=1, count=X.shape[1]).astype(bool)
    return np.vstack([np.ones(X.shape[1], bool), ~lacking])


def _missing(X: Any) -> Mask:
    """(n, p) where NaN is."""
    return np.isnan(X.toarray() if sparse.issparse(X) else X)


def _log_zeros(found: UnmeasuredFeatures, is_absent: bool, data: ModalityData, block: Block) -> None:
    name = data.name
    features = first_names(block.features[found.features])
    what = (
        f"modality '{name}', {block.origin}: {found.features.sum()} of {len(found.features)} features ({features}) "
        f"have one value, such as 0, in all {found.cells.sum()} cells of "
        f"obs '{found.column}' = '{found.value}', and hardly ever elsewhere"
    )
    if is_absent:
        log.warning(
            "%s: they count as not measured there, in no scaling, loss or score, and are imputed "
            "(modalities.%s.absent: keep takes them as values)",
            *(what, name),
        )
    else:
        log.warning("%s; if they were not measured there, set modalities.%s.absent: mask", what, name)


def _warn_missing(panels: Panels, panel: NDArray[np.int64], data: ModalityData, block: Block) -> None:
    for number in range(1, len(panels)):
        lacking, n = ~panels[number], int((panel == number).sum())
        log.warning(
            "modality '%s', %s: %d of %d features (%s) are missing (NaN) in the same %d cells, and count as not "
            "measured there, in no scaling, loss or score, and are imputed (modalities.%s.absent: keep refuses or "
            "fills them)",
            *(data.name, block.origin, lacking.sum(), len(lacking), first_names(block.features[lacking]), n, data.name),
        )
