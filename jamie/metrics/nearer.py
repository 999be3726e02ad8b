"""How many cells are nearer than a true partner: single-precision blocks, doubtful entries in double precision."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ROWS, _COLUMNS = 512, 1024
_PAIRS_AT_ONCE = 2**15
_UNIT_ROUNDOFF = 2.0**-24


def nearer_fractions(
    a: NDArray[np.float64], b: NDArray[np.float64], rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> tuple[float, float]:
    """Mean fraction of the cells of b nearer to a cell of a than its partner, and the same from b to a.

    A block of squared distances is one matrix product in single precision, with u = 2^-24 and L dimensions wrong by at
    most (L + 8) u (|a_i| + |b_j|)^2. Entries further than that from the partner's distance are decided. For the few
    others the distance is computed from the differences in double precision, as the partner's is, so that equal
    points tie exactly. Cells are sorted by norm, so that an outlier widens the bound of few blocks only. Memory beyond
    the cells themselves is that of one block.

    Parameters
    ----------
    a, b
        (n_a, L) and (n_b, L), finite.
    rows, columns
        (k,) indices of the partners: cell `rows[i]` of a is cell `columns[i]` of b.
    """
    own = _squared_distances(a, b, rows, columns)
    centre = (a.mean(axis=0) + b.mean(axis=0)) / 2
    scale = max(np.abs(a - centre).max(), np.abs(b - centre).max()) or 1.0
    side_a = _Side(a, (a - centre) / scale, _nearest(own, rows, len(a)), scale)
    side_b = _Side(b, (b - centre) / scale, _nearest(own, columns, len(b)), scale)
    left = side_a.factors(-2.0, norms_last=True)
    right = side_b.factors(1.0, norms_last=False)
    block = np.empty((_ROWS, _COLUMNS), np.float32)
    for i in range(0, len(a), _ROWS):
        for j in range(0, len(b), _COLUMNS):
            at_a, at_b = slice(i, min(i + _ROWS, len(a))), slice(j, min(j + _COLUMNS, len(b)))
            out = block[: at_a.stop - i, : at_b.stop - j]
            distances = np.matmul(left[at_a], right[at_b].T, out=out)
            side_a.count(distances, at_a, at_b, side_b, axis=0)
            side_b.count(distances, at_b, at_a, side_a, axis=1)
    return side_a.fraction(len(b)), side_b.fraction(len(a))


class _Side:
    """One modality: its cells, sorted by norm, and what is counted for them."""

    def __init__(
        self, z: NDArray[np.float64], scaled: NDArray[np.float64], limit: NDArray[np.float64], scale: float
    ) -> None:
        squares = (scaled**2).sum(axis=1)
        self.order = np.argsort(squares, kind="stable")
        self.z, self.scaled = z[self.order], scaled[self.order]
        self.squares = squares[self.order]
        self.norms = np.sqrt(self.squares)
        self.limit = limit[self.order]
        self.scaled_limit = self.limit / scale**2
        self.slack = (z.shape[1] + 8) * _UNIT_ROUNDOFF
        self.nearer = 0
        self.tied = np.zeros(len(z), np.int64)

    def factors(self, sign: float, *, norms_last: bool) -> NDArray[np.float32]:
        """Rows such that the product of both sides' factors is |a|^2 + |b|^2 - 2 a b."""
        ones = np.ones_like(self.squares)
        tail = (ones, self.squares) if norms_last else (self.squares, ones)
        return np.column_stack([sign * self.scaled, *tail]).astype(np.float32)

    def count(self, distances: NDArray[np.float32], at: slice, candidates: slice, other: _Side, axis: int) -> None:
        """Add a block, with the cells `at` of this side along `axis`, to the counts."""
        doubt = self.slack * (self.norms[at] + other.norms[candidates.stop - 1]) ** 2 + 1e-36
        limit = self.scaled_limit[at]
        nearer = distances < np.expand_dims((limit - doubt).astype(np.float32), 1 - axis)
        perhaps = distances <= np.expand_dims((limit + doubt).astype(np.float32), 1 - axis)
        self.nearer += int(np.count_nonzero(nearer))
        entries = np.flatnonzero(nearer != perhaps)
        if len(entries):
            index = np.divmod(entries, distances.shape[1])
            self._decide(index[axis] + at.start, index[1 - axis] + candidates.start, other)

    def _decide(self, mine: NDArray[np.int64], theirs: NDArray[np.int64], other: _Side) -> None:
        exact, limit = _squared_distances(self.z, other.z, mine, theirs), self.limit[mine]
        self.nearer += int(np.count_nonzero(exact < limit))
        self.tied += np.bincount(mine[exact == limit], minlength=len(self.tied))

    def fraction(self, n_candidates: int) -> float:
        """Mean fraction over the cells that have a partner; ties count one half."""
        n_scored = int(np.isfinite(self.limit).sum())
        # the partner is always at its own distance: alone there, it is not a tie
        ties = int(self.tied[self.tied > 1].sum())
        return (self.nearer + 0.5 * ties) / (n_scored * n_candidates)


def _squared_distances(
    a: NDArray[np.float64], b: NDArray[np.float64], rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> NDArray[np.float64]:
    """|a_i - b_j|^2 of the given index pairs; the same number for the same two points."""
    out = np.empty(len(rows))
    for start in range(0, len(rows), _PAIRS_AT_ONCE):
        piece = slice(start, start + _PAIRS_AT_ONCE)
        out[piece] = ((a[rows[piece]] - b[columns[piece]]) ** 2).sum(axis=1)
    return out


def _nearest(own: NDArray[np.float64], cells: NDArray[np.int64], n: int) -> NDArray[np.float64]:
    """Distance (n,) of each cell to the nearest of its partners, -inf where it has none."""
    nearest = np.full(n, np.inf)
    np.minimum.at(nearest, cells, own)
    return np.where(np.isinf(nearest), -np.inf, nearest)
