"""Minibatches in which matched cells meet: units of matched cells are sampled, not rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from jamie.core.correspondence import Correspondences

Indices = NDArray[np.int64]

FEWEST = 4  # units of a stream in a minibatch, where it has as many: BatchNorm needs more than one cell


class PairSampler:
    """Draws the cells of each minibatch.

    Cells that are matched one to one form a unit; every other cell is a unit of its own. Units that hold the same
    modalities make a stream, which is gone through in random order, without replacement, again and again. A cell
    that has a partner only by a fractional or an inferred correspondence brings one along as a guest, drawn in
    proportion to the confidence. Streams share the minibatch, so that no modality has more than about `batch_size`
    cells in it.

    Parameters
    ----------
    known
        Known pairs.
    inferred
        Partners of cells that have no known one; none by default.
    batch_size
        Most cells of each modality in a minibatch.
    generator
        Source of randomness.
    """

    def __init__(
        self,
        known: Correspondences,
        inferred: Correspondences | None,
        batch_size: int,
        generator: np.random.Generator,
    ) -> None:
        self.modalities = known.modalities
        self.generator = generator
        units = matched_units(known)
        self._guests = _guest_tables(known, inferred, units)
        self._streams = [_Stream(units[rows], generator) for rows in rows_by_pattern(units)]
        self._quotas = _quotas(self._streams, self._presence(), batch_size)

    @property
    def steps_per_pass(self) -> int:
        """Minibatches until every cell has been drawn at least once."""
        return max(-(-len(s.units) // q) for s, q in zip(self._streams, self._quotas, strict=True))

    def draw(self) -> dict[str, Indices]:
        """Return the indices of the next minibatch's cells of each modality, without repeats."""
        units = np.concatenate([s.take(q) for s, q in zip(self._streams, self._quotas, strict=True)])
        drawn = {m: [units[units[:, i] >= 0, i]] for i, m in enumerate(self.modalities)}
        for (a, b), table in self._guests.items():
            i, j = self.modalities.index(a), self.modalities.index(b)
            anchors = units[(units[:, i] >= 0) & (units[:, j] < 0), i]
            drawn[b].append(table.partners_of(anchors, self.generator))
        return {m: np.unique(np.concatenate(parts)) for m, parts in drawn.items()}

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Where each stream stands, and the generator."""
        arrays = {f"order.{i}": s.order for i, s in enumerate(self._streams)}
        return arrays, {"at": [s.at for s in self._streams], "generator": self.generator.bit_generator.state}

    def set_state(self, arrays: Mapping[str, NDArray[Any]], plain: Mapping[str, Any]) -> None:
        """Go on where `state` was taken."""
        for i, stream in enumerate(self._streams):
            stream.order, stream.at = np.array(arrays[f"order.{i}"]), plain["at"][i]
        self.generator.bit_generator.state = plain["generator"]

    def _presence(self) -> NDArray[np.bool_]:
        """(streams, modalities) true where a stream's units hold cells of the modality or bring guests."""
        present = np.stack([s.units[0] >= 0 for s in self._streams])
        for row, stream in zip(present, self._streams, strict=True):
            for a, b in self._guests:
                i, j = self.modalities.index(a), self.modalities.index(b)
                if stream.units[0, i] >= 0 and self._guests[a, b].has_partner[stream.units[:, i]].any():
                    row[j] = True
        return present


class _Stream:
    """Units in random order, without replacement, again and again."""

    def __init__(self, units: Indices, generator: np.random.Generator) -> None:
        self.units = units
        self.generator = generator
        self.order = generator.permutation(len(units))
        self.at = 0

    def take(self, count: int) -> Indices:
        """Return the next `count` units, at most all of them."""
        taken = self.order[self.at : self.at + count]
        self.at += len(taken)
        if len(taken) < count:
            self.order = self.generator.permutation(len(self.units))
            self.at = count - len(taken)
            taken = np.concatenate([taken, self.order[: self.at]])
        return self.units[taken]


@dataclass(frozen=True)
class _GuestTable:
    """Partners (in CSR form) of the cells that have no certain one, with running sums of their confidences."""

    partners: sparse.csr_array
    sums: NDArray[np.float64]

    @classmethod
    def of(cls, partners: sparse.csr_array) -> _GuestTable:
        return cls(partners, np.concatenate([[0.0], np.cumsum(partners.data, dtype=np.float64)]))

    @property
    def has_partner(self) -> NDArray[np.bool_]:
        return np.diff(self.partners.indptr) > 0

    def partners_of(self, cells: Indices, generator: np.random.Generator) -> Indices:
        """Draw one partner for each of the cells that have any."""
        start, stop = self.partners.indptr[cells], self.partners.indptr[cells + 1]
        start, stop = start[stop > start].astype(np.int64), stop[stop > start].astype(np.int64)
        low, high = self.sums[start], self.sums[stop]
        drawn = low + generator.random(len(low)) * (high - low)
        return self.partners.indices[self._last_below(drawn, start, stop - 1)].astype(np.int64)

    def _last_below(self, drawn: NDArray[np.float64], first: Indices, last: Indices) -> Indices:
        """Entry from `first` to `last` in whose stretch of the sums each number lies.

        Bisection within rows: `numpy.searchsorted` through all entries would miss the cache at every step.
        """
        while (open_ := first < last).any():
            middle = (first + last + 1) // 2
            beyond = self.sums[middle] <= drawn
            first, last = np.where(open_ & beyond, middle, first), np.where(open_ & ~beyond, middle - 1, last)
        return first


def matched_units(known: Correspondences) -> Indices:
    """Group the cells that are matched one to one.

    Returns
    -------
    (units, modalities) array of cell indices, -1 where a unit has no cell of the modality; every cell is in
    exactly one unit.
    """
    sizes = list(known.sizes.values())
    offsets = dict(zip(known.modalities, np.concatenate([[0], np.cumsum(sizes)[:-1]]), strict=True))
    edges = [(offsets[a] + r, offsets[b] + c) for (a, b), k in known.items() for r, c in [k.one_to_one().pairs()]]
    rows, columns = (np.concatenate([e[side] for e in edges] or [np.empty(0, int)]) for side in (0, 1))
    n = sum(sizes)
    graph = sparse.coo_array((np.ones(len(rows)), (rows, columns)), shape=(n, n))
    group = connected_components(graph, directed=False)[1]
    modality = np.repeat(np.arange(len(sizes)), sizes)
    cell = np.concatenate([np.arange(size) for size in sizes])
    group = _split_conflicts(group, modality, n)
    units = np.full((group.max() + 1, len(sizes)), -1, dtype=np.int64)
    units[group, modality] = cell
    return units


def _split_conflicts(group: Indices, modality: Indices, n: int) -> Indices:
    """Take apart groups that hold two cells of one modality (tables of three modalities that contradict)."""
    keys, counts = np.unique(group * (modality.max() + 1) + modality, return_counts=True)
    clashing = np.isin(group, keys[counts > 1] // (modality.max() + 1))
    group = np.where(clashing, group.max() + 1 + np.arange(n), group)
    return np.unique(group, return_inverse=True)[1]


def rows_by_pattern(units: Indices) -> list[Indices]:
    """Rows of the units that hold the same modalities; those that hold the most come first."""
    patterns, which = np.unique(units >= 0, axis=0, return_inverse=True)
    order = np.argsort(-patterns.sum(1), kind="stable")
    return [np.flatnonzero(which.ravel() == p) for p in order]


def _guest_tables(
    known: Correspondences, inferred: Correspondences | None, units: Indices
) -> dict[tuple[str, str], _GuestTable]:
    """For each ordered pair of modalities, the possible guests of cells that are not matched one to one."""
    tables = {}
    modalities = known.modalities
    for first, second in combinations(modalities, 2):
        for a, b in ((first, second), (second, first)):
            i, j = modalities.index(a), modalities.index(b)
            certain = np.zeros(known.sizes[a], bool)
            certain[units[(units[:, i] >= 0) & (units[:, j] >= 0), i]] = True
            told = known.between(a, b).matrix
            partners = _rows_where(told, ~certain)
            if inferred is not None:
                partners = partners + _rows_where(inferred.between(a, b).matrix, np.diff(told.indptr) == 0)
            if partners.nnz:
                tables[a, b] = _GuestTable.of(sparse.csr_array(partners))
    return tables


def _rows_where(matrix: sparse.csr_array, mask: NDArray[np.bool_]) -> sparse.csr_array:
    kept = sparse.csr_array(sparse.diags_array(mask.astype(np.float32)) @ matrix)
    kept.eliminate_zeros()
    return kept


def _quotas(streams: list[_Stream], presence: NDArray[np.bool_], batch_size: int) -> list[int]:
    """Units of each stream in a minibatch.

    A stream asks for the geometric mean of its shares of the modalities that it holds: matched cells of a small
    modality are neither drowned by a large one nor do they crowd out its other cells. Where a modality is asked for
    more than it has room for, its streams give way in proportion.
    """
    sizes = np.array([len(s.units) for s in streams])
    load = presence.T.astype(float) @ sizes
    shares = np.where(presence, sizes[:, None] / np.maximum(load, 1), 1)
    asked = np.exp(np.log(shares).sum(1) / presence.sum(1))
    crowded = np.where(presence, presence.T.astype(float) @ asked, 0).max(axis=1)
    wanted = np.rint(batch_size * asked / crowded)
    return np.minimum(np.maximum(wanted, FEWEST), sizes).astype(int).tolist()
