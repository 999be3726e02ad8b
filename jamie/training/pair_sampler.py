"""Minibatches that hold matched cells together: units of matched cells are sampled, not rows."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from jamie.core.correspondence import Correspondences
from jamie.core.interfaces import Sampler
from jamie.core.interfaces.sampler import Indices

MIN_UNITS = 4  # of a stream in a minibatch, if it has as many: BatchNorm needs more than one cell


class _Units(Sampler):
    """Draws units of cells.

    Cells that are matched one to one form a unit; every other cell is a unit of its own. Units with cells of the same
    modalities form a stream, which is drawn in random order without replacement, pass after pass. A cell whose partners
    are only fractional or inferred adds one of them to the minibatch, drawn in proportion to the confidence. Streams
    share the minibatch, so that no modality has more than about `batch_size` cells in it.
    """

    @abstractmethod
    def _pairs(self) -> tuple[Correspondences, Correspondences | None]:
        """Known pairs and inferred partners that are drawn together."""

    def _start(self) -> None:
        known, inferred = self._pairs()
        self.modalities = known.modalities
        units = matched_units(known)
        self._partners = _partner_tables(known, inferred, units)
        self._streams = [_Stream(units[rows], self.pool.generator) for rows in rows_by_pattern(units)]
        self._quotas = _quotas(self._streams, self._presence(), self.pool.batch_size)

    @property
    def steps_per_pass(self) -> int:
        """Minibatches until every cell has been drawn at least once."""
        return max(-(-len(s.units) // q) for s, q in zip(self._streams, self._quotas, strict=True))

    def _draw(self) -> dict[str, Indices]:
        units = np.concatenate([s.take(q) for s, q in zip(self._streams, self._quotas, strict=True)])
        drawn = [[column[column >= 0]] for column in units.T]
        for (i, j), table in self._partners.items():
            unmatched = units[(units[:, i] >= 0) & (units[:, j] < 0), i]
            drawn[j].append(table.draw(unmatched, self.pool.generator))
        return {m: np.unique(np.concatenate(parts)) for m, parts in zip(self.modalities, drawn, strict=True)}

    def _state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Order and position of each stream."""
        return {f"order.{i}": s.order for i, s in enumerate(self._streams)}, {
            "position": [s.position for s in self._streams]
        }

    def _set_state(self, arrays: Mapping[str, NDArray[Any]], plain: Mapping[str, Any]) -> None:
        for i, stream in enumerate(self._streams):
            stream.order, stream.position = np.array(arrays[f"order.{i}"]), plain["position"][i]

    def _presence(self) -> NDArray[np.bool_]:
        """(streams, modalities) true if a stream's units hold cells of the modality or add partners of it."""
        present = np.stack([s.units[0] >= 0 for s in self._streams])
        for row, stream in zip(present, self._streams, strict=True):
            for (i, j), table in self._partners.items():
                if stream.units[0, i] >= 0 and table.has_partner[stream.units[:, i]].any():
                    row[j] = True
        return present


class PairSampler(_Units):
    """Draws the cells of a known pair together, and an inferred partner beside a cell without one."""

    name: ClassVar[str] = "pairs"

    def _pairs(self) -> tuple[Correspondences, Correspondences | None]:
        return self.pool.known, self.pool.inferred


class IndependentSampler(_Units):
    """Draws each modality by itself (Algorithm 1, line 8): of n pairs about batch_size^2 / n are in a minibatch."""

    name: ClassVar[str] = "independent"
    references: ClassVar[tuple[str, ...]] = ("10.1038/s42256-023-00663-z",)

    def _pairs(self) -> tuple[Correspondences, Correspondences | None]:
        return Correspondences(self.pool.sizes), None


class _Stream:
    """Units in random order without replacement, pass after pass."""

    def __init__(self, units: Indices, generator: np.random.Generator) -> None:
        self.units = units
        self.generator = generator
        self.order = generator.permutation(len(units))
        self.position = 0

    def take(self, count: int) -> Indices:
        """Return the next `count` units, at most all of them."""
        taken = self.order[self.position : self.position + count]
        self.position += len(taken)
        if len(taken) < count:
            self.order = self.generator.permutation(len(self.units))
            self.position = count - len(taken)
            taken = np.concatenate([taken, self.order[: self.position]])
        return self.units[taken]


@dataclass(frozen=True)
class _PartnerTable:
    """Possible partners (CSR) of the cells that are not matched one to one.

    Parameters
    ----------
    partners : (n_a, n_b)
        Confidences.
    """

    partners: sparse.csr_array

    @cached_property
    def has_partner(self) -> NDArray[np.bool_]:
        """(n_a,)."""
        return np.diff(self.partners.indptr) > 0

    @cached_property
    def cumulative(self) -> NDArray[np.float64]:
        """Cumulative sum (nnz + 1,) of the confidences."""
        return np.concatenate([[0.0], np.cumsum(self.partners.data, dtype=np.float64)])

    def draw(self, cells: Indices, generator: np.random.Generator) -> Indices:
        """Draw one partner for each cell that has any, in proportion to the confidences."""
        cells = cells[self.has_partner[cells]]
        start, stop = (self.partners.indptr[at].astype(np.int64) for at in (cells, cells + 1))
        low, high = self.cumulative[start], self.cumulative[stop]
        value = low + generator.random(len(cells)) * (high - low)
        entry = np.searchsorted(self.cumulative, value, side="right") - 1
        return self.partners.indices[np.minimum(entry, stop - 1)].astype(np.int64)  # rounding may give `stop`


def matched_units(known: Correspondences) -> Indices:
    """Group the cells that are matched one to one.

    Returns
    -------
    (units, modalities) array of cell indices, -1 if a unit has no cell of the modality; every cell is in
    exactly one unit.
    """
    sizes = list(known.sizes.values())
    offsets = dict(zip(known.modalities, np.cumsum([0, *sizes[:-1]]), strict=True))
    edges = [(offsets[a] + r, offsets[b] + c) for (a, b), k in known.items() for r, c in [k.one_to_one().pairs()]]
    rows, columns = np.concatenate([np.empty((2, 0), int), *edges], axis=1)
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
    """Dissolve groups that hold two cells of one modality (tables of three modalities that contradict each other)."""
    keys, counts = np.unique(group * (modality.max() + 1) + modality, return_counts=True)
    conflicting = np.isin(group, keys[counts > 1] // (modality.max() + 1))
    group = np.where(conflicting, group.max() + 1 + np.arange(n), group)
    return np.unique(group, return_inverse=True)[1]


def rows_by_pattern(units: Indices) -> list[Indices]:
    """Rows of the units with cells of the same modalities; units of the most modalities come first."""
    patterns, pattern = np.unique(units >= 0, axis=0, return_inverse=True)
    order = np.argsort(-patterns.sum(1), kind="stable")
    return [np.flatnonzero(pattern.ravel() == p) for p in order]


def _partner_tables(
    known: Correspondences, inferred: Correspondences | None, units: Indices
) -> dict[tuple[int, int], _PartnerTable]:
    """Possible partners of cells that are not matched one to one, for each ordered pair of modalities (positions)."""
    tables = {}
    pairs = combinations(range(len(known.modalities)), 2)
    for i, j in (direction for pair in pairs for direction in (pair, pair[::-1])):
        a, b = known.modalities[i], known.modalities[j]
        matched = np.zeros(known.sizes[a], bool)
        matched[units[(units[:, i] >= 0) & (units[:, j] >= 0), i]] = True
        matrix = known.between(a, b).matrix
        partners = _keep_rows(matrix, ~matched)
        if inferred is not None:
            partners = partners + _keep_rows(inferred.between(a, b).matrix, np.diff(matrix.indptr) == 0)
        if partners.nnz:
            tables[i, j] = _PartnerTable(sparse.csr_array(partners))
    return tables


def _keep_rows(matrix: sparse.csr_array, mask: NDArray[np.bool_]) -> sparse.csr_array:
    kept = sparse.csr_array(sparse.diags_array(mask.astype(np.float32)) @ matrix)
    kept.eliminate_zeros()
    return kept


def _quotas(streams: list[_Stream], presence: NDArray[np.bool_], batch_size: int) -> list[int]:
    """Units of each stream in a minibatch.

    The share of a stream is the geometric mean of its shares of the modalities that it holds: matched cells of a small
    modality are not crowded out by a large one, nor do they crowd out its other cells. If the shares exceed the
    room of a modality, its streams are reduced in proportion.
    """
    sizes = np.array([len(s.units) for s in streams])
    load = presence.T.astype(float) @ sizes
    shares = np.where(presence, sizes[:, None] / np.maximum(load, 1), 1)
    share = np.exp(np.log(shares).sum(1) / presence.sum(1))
    excess = np.where(presence, presence.T.astype(float) @ share, 0).max(axis=1)
    quotas = np.rint(batch_size * share / excess)
    return np.minimum(np.maximum(quotas, MIN_UNITS), sizes).astype(int).tolist()
