"""Ranks of true partners among the matches of a correspondence, and agreement of labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from jamie.correspondence.arrays import Index

BLOCK = 4096
STANDARD_ERRORS = 3.0  # by which a quality must be better than chance


@dataclass(frozen=True)
class PartnerRanks:
    """The true partner among all matches of a cell, for each of k pairs, mean over both directions.

    Parameters
    ----------
    quantile : (k,)
        Fraction of the other cells that match better than the true partner, ties one half: 0 is best, 0.5 chance.
    top_1, top_10 : (k,)
        Probability that the true partner is the best match, or among the ten best, if ties are broken at random.
    mass : (k,)
        Fraction of the cell's confidence that the true partner has.
    """

    quantile: NDArray[np.float64]
    top_1: NDArray[np.float64]
    top_10: NDArray[np.float64]
    mass: NDArray[np.float64]

    @classmethod
    def concatenate(cls, parts: Sequence[PartnerRanks]) -> PartnerRanks:
        """Ranks of several sets of pairs, one after the other."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))

    @property
    def mean_quantile(self) -> float:
        """Mean over the pairs."""
        return float(self.quantile.mean())

    @property
    def quantile_error(self) -> float:
        """Standard error of the mean quantile; 0.5 for a single pair, where it is unknown."""
        k = len(self.quantile)
        return float(self.quantile.std(ddof=1) / np.sqrt(k)) if k > 1 else 0.5

    @property
    def beat_chance(self) -> bool:
        """Whether the mean quantile is below 0.5 by three standard errors."""
        return self.mean_quantile < 0.5 - STANDARD_ERRORS * self.quantile_error


def partner_ranks(inferred: sparse.csr_array, rows: Index, columns: Index) -> PartnerRanks:
    """Rank the true partners: cell `rows[i]` of a is cell `columns[i]` of b.

    Parameters
    ----------
    inferred : (n_a, n_b)
        Confidences, without stored zeros.
    rows, columns
        (k,) indices of the pairs.
    """
    forward = _ranks_in_rows(inferred, rows, columns)
    backward = _ranks_in_rows(inferred.T.tocsr(), columns, rows)
    return PartnerRanks(*(forward + backward) / 2)


def chance_of_top(n: int, shape: tuple[int, int]) -> float:
    """Probability, over both directions, that the true partner is among the first n in random order."""
    return sum(min(n, size) / size for size in shape) / 2


def label_agreement(inferred: sparse.csr_array, labels_a: ArrayLike, labels_b: ArrayLike) -> tuple[float, float]:
    """How often the best match has the cell's label, over both directions, and how often a random match has it.

    Parameters
    ----------
    inferred : (n_a, n_b)
        Confidences, without stored zeros.
    labels_a, labels_b
        (n_a,) and (n_b,).
    """
    values = [np.asarray(labels).astype(str) for labels in (labels_a, labels_b)]
    names, codes = np.unique(np.concatenate(values), return_inverse=True)
    a, b = np.split(codes, [len(values[0])])
    share_a, share_b = (np.bincount(side, minlength=len(names)) / len(side) for side in (a, b))
    forward = _agreement_in_rows(inferred, a, b, share_b)
    backward = _agreement_in_rows(inferred.T.tocsr(), b, a, share_a)
    return (forward + backward) / 2, float(share_a @ share_b)


def _ranks_in_rows(matrix: sparse.csr_array, rows: Index, columns: Index) -> NDArray[np.float64]:
    """(4, k) quantile, top_1, top_10 and mass of each pair in its row."""
    width = matrix.shape[1]
    parts = []
    for start in range(0, len(rows), BLOCK):
        pairs = slice(start, start + BLOCK)
        block = matrix[rows[pairs]]
        n, stored = block.shape[0], np.diff(block.indptr)
        row = np.repeat(np.arange(n), stored)
        own = np.asarray(matrix[rows[pairs], columns[pairs]]).ravel()
        above = np.bincount(row, block.data > own[row], minlength=n)
        stored_ties = np.bincount(row, block.data == own[row], minlength=n)
        # entries that are not stored are 0, and tie with a true partner that is not stored
        ties = np.where(own > 0, stored_ties, width - stored) - 1
        total = np.bincount(row, block.data, minlength=n)
        quantile = (above + 0.5 * ties) / max(width - 1, 1)
        top_1, top_10 = (np.clip((best - above) / (ties + 1), 0, 1) for best in (1, 10))
        parts.append([quantile, top_1, top_10, np.divide(own, total, out=np.zeros(n), where=total > 0)])
    return np.concatenate(parts, axis=1)


def _agreement_in_rows(matrix: sparse.csr_array, a: Index, b: Index, share_b: NDArray[np.float64]) -> float:
    n = len(a)
    row = np.repeat(np.arange(n), np.diff(matrix.indptr))
    is_best = matrix.data == np.asarray(matrix.max(axis=1).todense()).ravel()[row]
    n_best = np.bincount(row, is_best, minlength=n)
    n_agreeing = np.bincount(row, is_best & (b[matrix.indices] == a[row]), minlength=n)
    # a cell without any match counts like one with a random match
    return float(np.where(n_best > 0, n_agreeing / np.maximum(n_best, 1), share_b[a]).mean())
