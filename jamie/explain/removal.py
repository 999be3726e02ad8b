"""Features replaced by their background, one after the other: what the encoder then reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.data import Matrix
from jamie.core.explanation import Explainable, Floats

ROWS_AT_ONCE = 16384  # cells, each time with other features removed, that go through the encoder together
_BYTES = 2**28  # that they may take, with what is made of them

Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Units:
    """What is removed together: single features, or groups of them.

    Parameters
    ----------
    names : (u,)
        Of the features or groups.
    columns
        Features of each.
    """

    names: pd.Index
    columns: tuple[Indices, ...]

    @classmethod
    def single(cls, features: pd.Index, columns: Indices | None = None) -> Units:
        """Every feature, or some, by itself."""
        chosen = np.arange(len(features)) if columns is None else columns
        return cls(features[chosen], tuple(chosen[:, None]))

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def sizes(self) -> Indices:
        """(u,) number of features of each."""
        return np.array([len(columns) for columns in self.columns], np.intp)


class Removal:
    """Cells of one modality, whose features can be taken away.

    Where preprocessing is ``x A + b``, removing feature j turns the scores s into ``s - (x_j - m_j) A_j``, a change of
    rank one, with m its background. Otherwise the cells are preprocessed anew. A missing value counts as what the model
    takes in its place.

    Parameters
    ----------
    subject
        Trained model with cells.
    modality
        Whose features are removed.
    cells : (n,)
        Which cells.
    background : (p,)
        What takes the place of each feature.
    """

    def __init__(self, subject: Explainable, modality: str, cells: Indices, background: Floats) -> None:
        self.subject, self.modality, self.cells, self.background = subject, modality, cells, background
        # completed, as a missing value is no number that a background could be subtracted from
        self.X: Matrix = subject.complete(modality, subject.dataset.modalities[modality].input.X[cells])
        self.scores: Floats = subject.scores(modality)[cells]
        affine = subject.affine(modality)
        self.A = None if affine is None else affine[0]
        self._by_column: Any = sparse.csc_array(self.X) if sparse.issparse(self.X) else self.X

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.cells)

    def deviations(self, columns: Indices, rows: Indices | None = None) -> NDArray[np.float64]:
        """(k, c) values of features less their background, of all cells or of some."""
        values = self._by_column[:, columns]
        values = values.toarray() if sparse.issparse(values) else values
        values = values if rows is None else values[rows]
        return values.astype(np.float64) - self.background[columns]

    def without(self, columns: Indices) -> Floats:
        """(n, d) preprocessed values of the cells without these features."""
        if self.A is None:
            return self.subject.preprocess(self.modality, self._replaced(columns), self.cells)
        some: Any = self.A[columns]
        if not sparse.issparse(some):
            # in double precision, as preprocessing is: rounded once, at the end
            return (self.scores - self.deviations(columns) @ some).astype(np.float32)
        touched = np.unique(some.indices)
        scores = self.scores.copy()
        scores[:, touched] = self.scores[:, touched] - self.deviations(columns) @ some[:, touched].toarray()
        return scores

    def batches(self, units: Sequence[Indices], width: int) -> Iterator[tuple[slice, Floats, Indices]]:
        """Scores (m n, d) of the cells without one unit after the other, several at a time.

        Parameters
        ----------
        units
            Features of each.
        width
            Numbers that the model makes of a cell.

        Yields
        ------
        tuple
            Which units, the scores, and the indices of their cells in the data.
        """
        row_bytes = 16 * (self.scores.shape[1] + width)
        step = max(1, min(ROWS_AT_ONCE, _BYTES // row_bytes) // max(self.n_cells, 1))
        for start in range(0, len(units), step):
            at = slice(start, min(start + step, len(units)))
            scores = np.concatenate([self.without(columns) for columns in units[at]])
            yield at, scores, np.tile(self.cells, at.stop - at.start)

    def _replaced(self, columns: Indices) -> Matrix:
        """Return the values with the background in the place of some features."""
        entries: Any = self.X
        if not sparse.issparse(self.X):
            entries = entries.copy()
            entries[:, columns] = self.background[columns]
            return entries
        n, p = self.X.shape
        removed = np.zeros(p, bool)
        removed[columns] = True
        stored = entries.copy()
        stored.data[removed[stored.indices]] = 0
        filled = columns[self.background[columns] != 0]
        values = np.tile(self.background[filled], n)
        put = sparse.csr_array((values, (np.repeat(np.arange(n), len(filled)), np.tile(filled, n))), shape=(n, p))
        stored.eliminate_zeros()
        return sparse.csr_array(stored + put)
