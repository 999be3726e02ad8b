"""Gradients of metrics, smoothed where a metric has steps."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from jamie.metrics.by_feature import ENTRIES

Doubles = NDArray[np.float64]

_ROWS = 512
SOFTNESS = 0.1  # width of a soft step between ranks, relative to the median distance


def soft_rank_gradient(z_a: NDArray[np.floating], z_b: NDArray[np.floating], truth: sparse.csr_array) -> Doubles:
    """(n_a, L) gradient of a smooth FOSCTTM with respect to the latents of a.

    A cell counts as nearer than the partner by ``sigmoid((d_partner - d_cell) / h)``, with h a tenth of the median
    distance.

    Parameters
    ----------
    z_a, z_b
        (n_a, L) and (n_b, L) latents.
    truth : (n_a, n_b)
        Partners.
    """
    a = torch.tensor(np.asarray(z_a), dtype=torch.float64, requires_grad=True)
    b = torch.tensor(np.asarray(z_b), dtype=torch.float64)
    rows, columns = (torch.as_tensor(index.astype(np.int64)) for index in truth.nonzero())
    with torch.no_grad():
        softness = SOFTNESS * torch.cdist(a[rows[:_ROWS]], b[:_ROWS]).median().clamp(min=1e-12)
    for start in range(0, len(rows), _ROWS):
        at = slice(start, start + _ROWS)
        to_partner = (a[rows[at]] - b[columns[at]]).norm(dim=1)[:, None]
        # halved, as the mean of both directions is taken
        to_b = torch.sigmoid((to_partner - torch.cdist(a[rows[at]], b)) / softness).sum() / (2 * len(rows) * len(b))
        to_a = torch.sigmoid((to_partner - torch.cdist(b[columns[at]], a)) / softness).sum() / (2 * len(rows) * len(a))
        (to_a + to_b).backward()
    assert a.grad is not None
    return np.nan_to_num(a.grad.numpy())


def correlation_gradient(measured: NDArray[np.floating], imputed: NDArray[np.floating]) -> NDArray[np.float32]:
    """(n, t) gradient of the mean correlation over features, with respect to the imputed values.

    With y and v the measured and imputed values, centred and of unit norm, the gradient of their correlation r is
    ``(y - r v) / |imputed - mean|``. It is 0 if a value was not measured, and for a feature that is constant.
    """
    n, t = measured.shape
    gradient, n_scored = np.zeros((n, t), np.float32), 0
    width = max(1, ENTRIES // max(n, 1))
    for start in range(0, t, width):
        at = slice(start, start + width)
        known = np.isfinite(measured[:, at])
        y, _ = _unit_norm(measured[:, at], known)
        v, norm = _unit_norm(imputed[:, at], known)
        scored = (y != 0).any(axis=0)
        n_scored += int(scored.sum())
        slope = (y - (y * v).sum(axis=0) * v) / np.where(norm > 0, norm, 1)
        gradient[:, at] = np.where(known & scored & (norm > 0), slope, 0)
    return gradient / np.float32(max(n_scored, 1))


def _unit_norm(values: NDArray[np.floating], known: NDArray[np.bool_]) -> tuple[Doubles, Doubles]:
    """Columns with mean 0 and norm 1 over the known entries, and their original norms (t,)."""
    count = np.maximum(known.sum(axis=0), 1)
    values = np.where(known, values.astype(np.float64), 0)
    centred = np.where(known, values - values.sum(axis=0) / count, 0)
    norm = np.sqrt((centred**2).sum(axis=0))
    constant = norm <= 1e-12 * np.sqrt(count) * np.abs(values).max(axis=0, initial=0)
    norm = np.where(constant, 0, norm)
    return np.where(constant, 0, centred / np.where(constant, 1, norm)), norm
