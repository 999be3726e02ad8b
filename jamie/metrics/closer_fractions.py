"""Fraction of cells that are closer than a true partner: in single precision where that is certain, else in double."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

CHUNK_A, CHUNK_B = 512, 2048  # cells
_PAIRS_AT_ONCE = 2**15
_UNIT_ROUNDOFF = 2.0**-24
_FEW = 0.02  # of the entries of a chunk

Doubles = NDArray[np.float64]
Indices = NDArray[np.int64]


def closer_fractions(a: Doubles, b: Doubles, rows: Indices, columns: Indices) -> tuple[float, float]:
    """Mean fraction of the cells of b closer to a cell of a than its partner, and the same from b to a.

    A chunk of squared distances, less the partner's, is one matrix product in single precision, whose error has a
    bound (`_error_bound`). Entries further than that from 0 are decided by their sign. For the few others the distance
    is computed from the differences in double precision, as the partner's is, so that equal points tie exactly. Cells
    are sorted by norm, so that an outlier widens the bound of few chunks only. Memory beyond the cells themselves is
    that of one chunk.

    Parameters
    ----------
    a, b
        (n_a, L) and (n_b, L), finite.
    rows, columns
        (k,) indices of the partners: cell `rows[i]` of a is cell `columns[i]` of b.
    """
    if (a == a[0]).all() and (b == a[0]).all():  # every single entry would be undecided
        return 0.5 * (len(b) > 1), 0.5 * (len(a) > 1)
    to_partner = _squared_distances(a, b, rows, columns)
    center = (a.mean(axis=0) + b.mean(axis=0)) / 2
    scale = max(np.abs(a - center).max(), np.abs(b - center).max())
    counts_a = _Counts(a, (a - center) / scale, _nearest(to_partner, rows, len(a)), scale)
    counts_b = _Counts(b, (b - center) / scale, _nearest(to_partner, columns, len(b)), scale)
    _count(counts_a, counts_b)
    return counts_a.fraction(len(b)), counts_b.fraction(len(a))


class _Counts:
    """Cells of one modality, sorted by norm, and how many cells of the other are closer than their partners."""

    def __init__(self, z: Doubles, scaled: Doubles, limit: Doubles, scale: float) -> None:
        squares = (scaled**2).sum(axis=1)
        order = np.argsort(squares, kind="stable")
        self.z, self.scaled, self.squares, self.limit = z[order], scaled[order], squares[order], limit[order]
        self.norms = np.sqrt(self.squares)
        self.scaled_limit = self.limit / scale**2
        self.closer = 0
        self.tied = np.zeros(len(z), np.int64)

    def clipped_limit(self, at: slice, largest: float) -> Doubles:
        """Limits, clipped to the range of the chunk's distances: what is added must not cost precision."""
        return np.clip(self.scaled_limit[at], -largest, 1.1 * largest)

    def count(self, excess: NDArray[np.float32], bound: np.float32) -> Indices:
        """Count the entries of a chunk that are below 0 for certain; return the flat indices of undecided ones."""
        maybe_closer = excess <= bound
        if np.count_nonzero(maybe_closer) < _FEW * len(excess):  # as in a good embedding: these are looked at alone
            index = np.flatnonzero(maybe_closer)
            closer = excess[index] < -bound
            undecided = index[~closer]
        else:
            closer = excess < -bound
            undecided = np.flatnonzero(closer != maybe_closer)
        self.closer += int(np.count_nonzero(closer))
        return undecided

    def decide(self, own: Indices, others: Indices, other: _Counts) -> None:
        """Count undecided entries, by their distances in double precision."""
        exact, limit = _squared_distances(self.z, other.z, own, others), self.limit[own]
        self.closer += int(np.count_nonzero(exact < limit))
        np.add.at(self.tied, own[exact == limit], 1)

    def fraction(self, n_candidates: int) -> float:
        """Mean fraction over the cells that have a partner; ties count one half."""
        n_scored = int(np.isfinite(self.limit).sum())
        # the partner is always at its own distance: alone there, it is not a tie
        ties = int(self.tied[self.tied > 1].sum())
        return (self.closer + 0.5 * ties) / (n_scored * n_candidates)


def _count(a: _Counts, b: _Counts) -> None:
    """Go through all pairs of cells in chunks: |a_i - b_j|^2 - limit_a[i], and the same with limit_b[j] instead.

    The factors of the product have two more columns, which add |b_j|^2 and |a_i|^2 - limit_a[i]; limit_a is then
    added and limit_b subtracted in place, by torch, whose broadcasting is twice as fast as numpy's.
    """
    ones_a, ones_b = np.ones((len(a.z), 1)), np.ones((len(b.z), 1))
    left = np.hstack([-2 * a.scaled, ones_a, ones_a]).astype(np.float32)
    right = np.hstack([b.scaled, b.squares[:, None], ones_b]).astype(np.float32)
    buffer = np.empty(CHUNK_A * CHUNK_B, np.float32)
    for i in range(0, len(a.z), CHUNK_A):
        at_a = slice(i, min(i + CHUNK_A, len(a.z)))
        for j in range(0, len(b.z), CHUNK_B):
            at_b = slice(j, min(j + CHUNK_B, len(b.z)))
            shape = (at_a.stop - i, at_b.stop - j)
            largest = float(a.norms[at_a.stop - 1] + b.norms[at_b.stop - 1]) ** 2
            limit_a, limit_b = a.clipped_limit(at_a, largest), b.clipped_limit(at_b, largest)
            left[at_a, -1] = a.squares[at_a] - limit_a
            flat = buffer[: shape[0] * shape[1]]
            excess = np.matmul(left[at_a], right[at_b].T, out=flat.reshape(shape))
            bound = _error_bound(a.z.shape[1], largest)
            row, column = np.divmod(a.count(flat, bound), shape[1])
            a.decide(row + i, column + j, b)
            shifted = torch.from_numpy(excess)
            shifted += torch.from_numpy(limit_a.astype(np.float32))[:, None]
            shifted -= torch.from_numpy(limit_b.astype(np.float32))
            row, column = np.divmod(b.count(flat, bound), shape[1])
            b.decide(column + j, row + i, a)


def _error_bound(n_latent: int, largest: float) -> np.float32:
    """Bound of a chunk's error, no distance being above `largest`.

    A product of L + 2 terms whose magnitudes sum to at most 2.1 `largest` is wrong by (L + 2) u times that, u = 2^-24;
    the rounding of its factors adds 3 u, that of both limits and of adding them 7 u `largest` at most.
    """
    return np.float32((2.2 * n_latent + 24) * _UNIT_ROUNDOFF * largest + 1e-36)


def _squared_distances(a: Doubles, b: Doubles, rows: Indices, columns: Indices) -> Doubles:
    """|a_i - b_j|^2 of the given index pairs; the same number for the same two points."""
    out = np.empty(len(rows))
    for start in range(0, len(rows), _PAIRS_AT_ONCE):
        part = slice(start, start + _PAIRS_AT_ONCE)
        out[part] = ((a[rows[part]] - b[columns[part]]) ** 2).sum(axis=1)
    return out


def _nearest(to_partner: Doubles, cells: Indices, n: int) -> Doubles:
    """Squared distance (n,) of each cell to the nearest of its partners, -inf where it has none."""
    nearest = np.full(n, np.inf)
    np.minimum.at(nearest, cells, to_partner)
    return np.where(np.isinf(nearest), -np.inf, nearest)
