"""How many cells are nearer than a true partner: single-precision blocks, doubtful entries in double precision."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

ROWS, COLUMNS = 512, 2048
_PAIRS_AT_ONCE = 2**15
_FEW = 0.005
_UNIT_ROUNDOFF = 2.0**-24


def nearer_fractions(
    a: NDArray[np.float64], b: NDArray[np.float64], rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> tuple[float, float]:
    """Mean fraction of the cells of b nearer to a cell of a than its partner, and the same from b to a.

    A block of squared distances, less the partner's, is one matrix product in single precision, whose error has a
    bound (`_doubt`). Entries further than that from 0 are decided by their sign. For the few others the distance is
    computed from the differences in double precision, as the partner's is, so that equal points tie exactly. Cells are
    sorted by norm, so that an outlier widens the bound of few blocks only. Memory beyond the cells themselves is that
    of one block and of the entries that wait to be decided.

    Parameters
    ----------
    a, b
        (n_a, L) and (n_b, L), finite.
    rows, columns
        (k,) indices of the partners: cell `rows[i]` of a is cell `columns[i]` of b.
    """
    if (a == a[0]).all() and (b == a[0]).all():  # every single entry would have to be decided
        return 0.5 * (len(b) > 1), 0.5 * (len(a) > 1)
    own = _squared_distances(a, b, rows, columns)
    centre = (a.mean(axis=0) + b.mean(axis=0)) / 2
    scale = max(np.abs(a - centre).max(), np.abs(b - centre).max())
    side_a = _Side(a, (a - centre) / scale, _nearest(own, rows, len(a)), scale)
    side_b = _Side(b, (b - centre) / scale, _nearest(own, columns, len(b)), scale)
    _count(side_a, side_b)
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
        self.nearer = 0
        self.tied = np.zeros(len(z), np.int64)
        self.waiting: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        self.n_waiting = 0

    def clipped_limit(self, at: slice, largest: float) -> NDArray[np.float64]:
        """Limits, where beyond any distance of the block brought near it: what is added must not cost precision."""
        return np.clip(self.scaled_limit[at], -largest, 1.1 * largest)

    def wait(self, mine: NDArray[np.int64], theirs: NDArray[np.int64], other: _Side) -> None:
        """Keep entries that are in doubt until there are enough to be decided together."""
        self.waiting.append((mine, theirs))
        self.n_waiting += len(mine)
        if self.n_waiting >= _PAIRS_AT_ONCE:
            self.decide(other)

    def decide(self, other: _Side) -> None:
        """Count the entries that wait, by their distances in double precision."""
        if not self.waiting:
            return
        mine, theirs = (np.concatenate(index) for index in zip(*self.waiting, strict=True))
        self.waiting, self.n_waiting = [], 0
        exact, limit = _squared_distances(self.z, other.z, mine, theirs), self.limit[mine]
        self.nearer += int(np.count_nonzero(exact < limit))
        self.tied += np.bincount(mine[exact == limit], minlength=len(self.tied))

    def fraction(self, n_candidates: int) -> float:
        """Mean fraction over the cells that have a partner; ties count one half."""
        n_scored = int(np.isfinite(self.limit).sum())
        # the partner is always at its own distance: alone there, it is not a tie
        ties = int(self.tied[self.tied > 1].sum())
        return (self.nearer + 0.5 * ties) / (n_scored * n_candidates)


def _count(a: _Side, b: _Side) -> None:
    """Go through the distances in blocks.

    The factors' rows are such that their product is |a|^2 - limit_a + |b|^2 - 2 a b. For the other side limit_a is
    added and limit_b subtracted in place, by torch, whose broadcasting is twice as fast as numpy's.
    """
    ones = np.ones((max(len(a.z), len(b.z)), 1))
    left = np.hstack([-2 * a.scaled, ones[: len(a.z)], ones[: len(a.z)]]).astype(np.float32)
    right = np.hstack([b.scaled, b.squares[:, None], ones[: len(b.z)]]).astype(np.float32)
    block, marks = np.empty(ROWS * COLUMNS, np.float32), np.zeros((3, ROWS * COLUMNS // 8 * 8 + 8), np.bool_)
    for i in range(0, len(a.z), ROWS):
        at_a = slice(i, min(i + ROWS, len(a.z)))
        for j in range(0, len(b.z), COLUMNS):
            at_b = slice(j, min(j + COLUMNS, len(b.z)))
            shape = (at_a.stop - i, at_b.stop - j)
            largest = float(a.norms[at_a.stop - 1] + b.norms[at_b.stop - 1]) ** 2
            limit_a, limit_b = a.clipped_limit(at_a, largest), b.clipped_limit(at_b, largest)
            left[at_a, -1] = a.squares[at_a] - limit_a
            flat = block[: shape[0] * shape[1]]
            marks[:, len(flat) : len(flat) + 8] = False  # what fills up the last word stays unmarked
            marked = marks[:, : -(-len(flat) // 8) * 8]
            beyond = np.matmul(left[at_a], right[at_b].T, out=flat.reshape(shape))
            doubt = _doubt(a.z.shape[1], largest)
            index = np.divmod(_doubtful(a, flat, doubt, marked), shape[1])
            a.wait(index[0] + i, index[1] + j, b)
            shifted = torch.from_numpy(beyond)
            shifted += torch.from_numpy(limit_a.astype(np.float32))[:, None]
            shifted -= torch.from_numpy(limit_b.astype(np.float32))
            index = np.divmod(_doubtful(b, flat, doubt, marked), shape[1])
            b.wait(index[1] + j, index[0] + i, a)
    a.decide(b)
    b.decide(a)


def _doubt(n_latent: int, largest: float) -> np.float32:
    """Bound of a block's error, no distance being above `largest`.

    A product of L + 2 terms whose magnitudes sum to at most 2.1 `largest` is wrong by (L + 2) u times that, u = 2^-24;
    the rounding of its factors adds 3 u, that of both limits and of adding them 7 u `largest` at most.
    """
    return np.float32((2.2 * n_latent + 24) * _UNIT_ROUNDOFF * largest + 1e-36)


def _doubtful(
    side: _Side, beyond: NDArray[np.float32], doubt: np.float32, marks: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Count the entries of a block that are certainly below 0; return the places of those in doubt.

    Where embeddings are good few entries are below 0: looking at these one by one saves passes over all.
    """
    nearer, perhaps, none = marks
    np.less_equal(beyond, doubt, out=perhaps[: len(beyond)])
    words = _differing_words(perhaps, none)
    if len(words) < _FEW * len(beyond):
        places = _in_words(words, perhaps, none)
        certain = beyond[places] < -doubt
        side.nearer += int(np.count_nonzero(certain))
        return places[~certain]
    np.less(beyond, -doubt, out=nearer[: len(beyond)])
    side.nearer += int(np.count_nonzero(nearer))
    return _in_words(_differing_words(perhaps, nearer), perhaps, nearer)


def _differing_words(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Find where marks differ, by words of eight: the search for single ones would take longer than the comparison."""
    return np.flatnonzero(one.view(np.uint64) != other.view(np.uint64))


def _in_words(words: NDArray[np.int64], one: NDArray[np.bool_], other: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Places within these words where marks differ."""
    places = (8 * words[:, None] + np.arange(8)).ravel()
    return places[one[places] != other[places]]


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
