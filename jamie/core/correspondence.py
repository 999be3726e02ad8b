"""The central object: which cell of one modality is which cell of another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from jamie.core.errors import DataError


@dataclass(frozen=True)
class Correspondence:
    """Sparse confidences that cell i of modality a is cell j of modality b.

    Parameters
    ----------
    matrix : (n_a, n_b)
        Entries in [0, 1]; anything that scipy can make a CSR array of. It is copied, never modified.

    Raises
    ------
    DataError
        Where an entry is negative, above 1 or not finite.

    Examples
    --------
    >>> pairs = Correspondence.from_pairs([0, 1], [1, 0], shape=(2, 3))
    >>> pairs.n_pairs, pairs.T.shape
    (2, (3, 2))
    >>> pairs.best_partner().tolist()
    [1, 0]
    """

    matrix: sparse.csr_array

    def __post_init__(self) -> None:
        matrix = sparse.csr_array(self.matrix, dtype=np.float32, copy=True)
        matrix.sum_duplicates()
        matrix.eliminate_zeros()
        wrong = ~np.isfinite(matrix.data) | (matrix.data < 0) | (matrix.data > 1 + 1e-6)
        if wrong.any():
            entry = matrix.tocoo()
            first = int(np.argmax(wrong))
            raise DataError(
                f"expected entries from 0 to 1, found {int(wrong.sum())} outside; the first is "
                f"{entry.data[first]:g} at row {entry.row[first]}, column {entry.col[first]}",
                where="correspondence",
                fix="give confidences, not distances or counts: divide by the largest entry, or set entries to 0 or 1",
            )
        np.minimum(matrix.data, 1, out=matrix.data)
        object.__setattr__(self, "matrix", matrix)

    @classmethod
    def from_pairs(
        cls, rows: ArrayLike, columns: ArrayLike, shape: tuple[int, int], values: ArrayLike | None = None
    ) -> Correspondence:
        """Build from the indices of matched cells; `values` are their confidences, 1 by default."""
        rows, columns = np.asarray(rows, dtype=np.int64), np.asarray(columns, dtype=np.int64)
        data = np.ones(len(rows), np.float32) if values is None else np.asarray(values, np.float32)
        return cls(sparse.csr_array((data, (rows, columns)), shape=shape))

    @classmethod
    def from_names(cls, a: pd.Index, b: pd.Index) -> Correspondence:
        """Cells of the same name are the same cell; names are unique within `a` and within `b`."""
        columns = b.get_indexer(a)
        rows = np.flatnonzero(columns >= 0)
        return cls.from_pairs(rows, columns[rows], (len(a), len(b)))

    @classmethod
    def empty(cls, shape: tuple[int, int]) -> Correspondence:
        """No cell corresponds to any other."""
        return cls(sparse.csr_array(shape, dtype=np.float32))

    @property
    def shape(self) -> tuple[int, int]:
        """(n_a, n_b)."""
        return self.matrix.shape

    @property
    def n_pairs(self) -> int:
        """Number of entries above zero."""
        return int(self.matrix.nnz)

    @property
    def T(self) -> Correspondence:
        """The same correspondence seen from b."""
        return self._derived(self.matrix.T.tocsr())

    def subset(self, rows: ArrayLike, columns: ArrayLike) -> Correspondence:
        """Keep the given cells (indices or boolean masks), in the given order."""
        return Correspondence(self.matrix[np.asarray(rows)][:, np.asarray(columns)])

    def permute(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Correspondence:
        """Put all cells in another order, as `subset` does, with one array of the entries beside those of this one."""
        matrix = self.matrix[rows]
        matrix.indices = np.argsort(columns).astype(matrix.indices.dtype)[matrix.indices]
        matrix.has_sorted_indices = False
        matrix.sort_indices()
        return self._derived(matrix)

    @classmethod
    def _derived(cls, matrix: sparse.csr_array) -> Correspondence:
        """Wrap entries of another correspondence, which are known to be right, without copying them again."""
        new = object.__new__(cls)
        object.__setattr__(new, "matrix", matrix)
        return new

    def pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Row and column index of every entry above zero, ordered by row."""
        entries = self.matrix.tocoo()
        return entries.row.astype(np.int64), entries.col.astype(np.int64)

    def keep(self, mask: NDArray[np.bool_]) -> Correspondence:
        """Keep the entries where `mask` (n_pairs,), in the order of `pairs`, is true."""
        rows, columns = self.pairs()
        return Correspondence.from_pairs(rows[mask], columns[mask], self.shape, self.matrix.data[mask])

    def without(self, other: Correspondence) -> Correspondence:
        """Keep the entries that `other` does not have."""
        return Correspondence(self.matrix - self.matrix.multiply(other.matrix > 0))

    def one_to_one(self) -> Correspondence:
        """Keep the pairs of confidence 1 that are the only ones of both their cells."""
        rows, columns = self.pairs()
        n_a, n_b = self.shape
        alone = (np.bincount(rows, minlength=n_a)[rows] == 1) & (np.bincount(columns, minlength=n_b)[columns] == 1)
        return self.keep(alone & (self.matrix.data >= 1))

    def updated_with(self, other: Correspondence) -> Correspondence:
        """Take the entries of `other`, and keep those of cells that have none there."""
        taken_rows, taken_columns = (
            np.bincount(of, minlength=n) > 0 for of, n in zip(other.pairs(), self.shape, strict=True)
        )
        rows, columns = self.pairs()
        rest = self.keep(~taken_rows[rows] & ~taken_columns[columns])
        return Correspondence(rest.matrix + other.matrix)

    def mutual_best(self) -> Correspondence:
        """Keep the pairs in which neither cell has a better partner: of spread confidences, only the likeliest.

        Each cell then has one partner or none, unless two are equally likely: both stay.
        """
        rows, columns = self.pairs()
        of_row, of_column = (self.matrix.max(axis=axis).toarray().ravel() for axis in (1, 0))
        return self.keep((self.matrix.data >= of_row[rows]) & (self.matrix.data >= of_column[columns]))

    def best_partner(self) -> NDArray[np.int64]:
        """(n_a,) index of the best partner of each cell of a, -1 where it has none."""
        entries = self.matrix
        filled = np.flatnonzero(np.diff(entries.indptr))
        best = np.full(self.shape[0], -1, np.int64)
        if len(filled):
            starts = entries.indptr[filled]
            of_row = np.repeat(np.maximum.reduceat(entries.data, starts), np.diff(entries.indptr)[filled])
            # of ties the first
            candidates = np.flatnonzero(entries.data == of_row)
            best[filled] = entries.indices[candidates[np.searchsorted(candidates, starts)]]
        return best

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Arrays and plain values from which `from_state` builds it again."""
        m = self.matrix
        return {"data": m.data, "indices": m.indices, "indptr": m.indptr}, {"shape": list(m.shape)}

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]], plain: Mapping[str, Any]) -> Correspondence:
        """Inverse of `state`."""
        parts = (arrays["data"], arrays["indices"], arrays["indptr"])
        return cls(sparse.csr_array(parts, shape=tuple(plain["shape"])))


@dataclass(frozen=True)
class Correspondences:
    """Correspondence between every two of any number of modalities.

    Parameters
    ----------
    sizes
        Number of cells of each modality, in the order of the spec.
    by_pair
        Correspondence of pairs (a, b), in one order or the other; a pair that is absent has none.

    Raises
    ------
    DataError
        Where a shape does not fit the sizes, or two modalities are given in both orders.

    Examples
    --------
    >>> pairs = Correspondence.from_pairs([0, 1], [1, 0], shape=(2, 3))
    >>> known = Correspondences({"rna": 2, "atac": 3}, {("rna", "atac"): pairs})
    >>> known.between("atac", "rna").shape
    (3, 2)
    """

    sizes: Mapping[str, int]
    by_pair: Mapping[tuple[str, str], Correspondence] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for (a, b), correspondence in self.by_pair.items():
            if a != b and (b, a) in self.by_pair:
                raise DataError(
                    f"expected one correspondence of two modalities, found {a}--{b} and {b}--{a}",
                    where=f"correspondence of {a} and {b}",
                    fix="keep one of the two: the other is the same seen from the other side",
                )
            expected = (self.sizes[a], self.sizes[b])
            if correspondence.shape != expected:
                raise DataError(
                    f"expected a correspondence of {expected[0]} x {expected[1]} cells, found "
                    f"{correspondence.shape[0]} x {correspondence.shape[1]}",
                    where=f"correspondence of {a} and {b}",
                    fix="give one row for each cell of the first modality and one column for each cell of the second",
                )

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names, in the order of the spec."""
        return tuple(self.sizes)

    def between(self, a: str, b: str) -> Correspondence:
        """Correspondence of `a` (rows) and `b` (columns); empty where nothing is given."""
        if (a, b) in self.by_pair:
            return self.by_pair[a, b]
        if (b, a) in self.by_pair:
            return self.by_pair[b, a].T
        return Correspondence.empty((self.sizes[a], self.sizes[b]))

    def items(self) -> Iterator[tuple[tuple[str, str], Correspondence]]:
        """Every unordered pair of modalities, in the order of the spec, with its correspondence."""
        for a, b in combinations(self.sizes, 2):
            yield (a, b), self.between(a, b)

    def with_indirect_pairs(self, a: str, b: str) -> Correspondence:
        """Correspondence of `a` and `b`, and of their cells that are certainly one cell of a third modality."""
        found = self.between(a, b)
        for third in self.sizes:
            if third not in (a, b) and self.between(a, third).n_pairs and self.between(third, b).n_pairs:
                shared = self.between(a, third).one_to_one().matrix @ self.between(third, b).one_to_one().matrix
                found = Correspondence(shared).updated_with(found)
        return found

    def connected(self, a: str, b: str) -> bool:
        """Whether some chain of modalities leads from `a` to `b`, every two neighbours of which share pairs."""
        from scipy.sparse.csgraph import connected_components

        names = self.modalities
        links = np.array([[self.between(x, y).n_pairs if x != y else 0 for y in names] for x in names])
        group = connected_components(links, directed=False)[1]
        return bool(group[names.index(a)] == group[names.index(b)])

    def mutual_best(self) -> Correspondences:
        """Keep the pairs in which neither cell has a better partner in the other's modality."""
        return Correspondences(self.sizes, {pair: c.mutual_best() for pair, c in self.items()})

    def subset(self, cells: Mapping[str, ArrayLike]) -> Correspondences:
        """Keep the given cells (indices or boolean masks) of each modality."""
        kept = {m: np.arange(n)[np.asarray(cells[m])] for m, n in self.sizes.items()}
        pairs = {(a, b): c.subset(kept[a], kept[b]) for (a, b), c in self.items()}
        return Correspondences({m: len(index) for m, index in kept.items()}, pairs)

    def scatter(self, cells: Mapping[str, NDArray[np.int64]], sizes: Mapping[str, int]) -> Correspondences:
        """Undo `subset`: these cells are those at the indices `cells` among `sizes`; the others have no partner."""
        pairs = {}
        for (a, b), correspondence in self.items():
            rows, columns = correspondence.pairs()
            shape = (sizes[a], sizes[b])
            values = correspondence.matrix.data
            pairs[a, b] = Correspondence.from_pairs(cells[a][rows], cells[b][columns], shape, values)
        return Correspondences(dict(sizes), pairs)

    @property
    def n_pairs(self) -> int:
        """Entries above zero, over all pairs of modalities."""
        return sum(c.n_pairs for c in self.by_pair.values())


@dataclass(frozen=True)
class Inferred:
    """Result of a correspondence inferer.

    Parameters
    ----------
    correspondence
        (n_a, n_b).
    confidence_a, confidence_b
        (n_a,) and (n_b,), from 0 (no partner known) to 1.
    diagnostics
        Plain numbers, flags and words: at least ``converged``, ``objective`` and ``residual`` (largest violation
        of the constraints) where the method has them.

    Examples
    --------
    >>> pairs = Correspondence.from_pairs([0, 1], [1, 0], shape=(2, 2))
    >>> Inferred(pairs, np.ones(2), np.ones(2), {"converged": True}).correspondence.n_pairs
    2
    """

    correspondence: Correspondence
    confidence_a: NDArray[np.floating]
    confidence_b: NDArray[np.floating]
    diagnostics: Mapping[str, float | int | bool | str] = field(default_factory=dict)
