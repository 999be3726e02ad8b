"""Background values of features, and cells whose features are replaced by them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.data import Matrix
from jamie.core.explanation import Explainable, Floats
from jamie.core.matrix import column_means, column_range, to_dense

ROWS_AT_ONCE = 16384  # perturbed cells that go through the encoder together
_BYTES = 2**28  # of these cells and their outputs

Indices = NDArray[np.intp]
BackgroundValue: TypeAlias = Literal["mean", "median", "zero", "minimum"]
_MEDIAN_VALUES = 2**22  # of a block of columns


@dataclass(frozen=True)
class FeatureGroups:
    """Features that are removed together: single features, or groups of them.

    Parameters
    ----------
    names : (u,)
        Of the features or groups.
    columns
        Positions of the features of each.
    """

    names: pd.Index
    columns: tuple[Indices, ...]

    @classmethod
    def singletons(cls, features: pd.Index, columns: Indices | None = None) -> FeatureGroups:
        """Each feature by itself; all features, or those at the given columns."""
        chosen = np.arange(len(features)) if columns is None else columns
        return cls(features[chosen], tuple(chosen[:, None]))

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def sizes(self) -> Indices:
        """(u,) number of features of each."""
        return np.array([len(columns) for columns in self.columns], np.intp)


class Removal:
    """Cells of one modality, whose features can be replaced by their background values.

    If preprocessing is ``x A + b``, removing feature j turns the scores s into ``s - (x_j - m_j) A_j``, a change of
    rank one, with m_j its background value. Otherwise the cells are preprocessed again. Missing values are first
    completed by the model.

    Parameters
    ----------
    subject
        Trained model with cells.
    modality
        Whose features are removed.
    cells : (n,)
        Positions of the cells.
    background : (p,)
        Value that replaces each feature.
    """

    def __init__(self, subject: Explainable, modality: str, cells: Indices, background: Floats) -> None:
        self.subject, self.modality, self.cells, self.background = subject, modality, cells, background
        # completed, as the background cannot be subtracted from a missing value
        self.X: Matrix = subject.complete(modality, subject.dataset.modalities[modality].input.X[cells])
        self.scores: Floats = subject.scores(modality)[cells]
        affine = subject.affine(modality)
        self.A = None if affine is None else affine[0]
        self._by_column: Any = sparse.csc_array(self.X) if sparse.issparse(self.X) else self.X

    @classmethod
    def to_background(cls, subject: Explainable, modality: str, cells: Indices, value: BackgroundValue) -> Removal:
        """Replace features by a value over the training cells."""
        train = subject.dataset.modalities[modality].input.X[subject.split.train[modality]]
        return cls(subject, modality, cells, background_values(train, value))

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.cells)

    def deviations(self, columns: Indices) -> NDArray[np.float64]:
        """(n, c) values of features less their background values."""
        return to_dense(self._by_column[:, columns]).astype(np.float64) - self.background[columns]

    def scores_without(self, columns: Indices) -> Floats:
        """(n, d) preprocessed values of the cells without these features."""
        if self.A is None:
            return self.subject.preprocess(self.modality, self._values_without(columns), self.cells)
        loadings: Any = self.A[columns]
        if not sparse.issparse(loadings):
            # in double precision, as preprocessing is: rounded once, at the end
            return (self.scores - self.deviations(columns) @ loadings).astype(np.float32)
        changed = np.unique(loadings.indices)
        scores = self.scores.copy()
        scores[:, changed] = self.scores[:, changed] - self.deviations(columns) @ loadings[:, changed].toarray()
        return scores

    def batches_without(self, groups: Sequence[Indices], output_width: int) -> Iterator[tuple[range, Floats, Indices]]:
        """Scores (m n, d) of the cells without one feature group after the other, m groups at a time.

        Parameters
        ----------
        groups
            Columns of each feature group.
        output_width
            Size of the model's output for a cell.

        Yields
        ------
        tuple
            Positions of the m groups, the scores, and the positions of their cells in the data.
        """
        row_bytes = 16 * (self.scores.shape[1] + output_width)
        step = max(1, min(ROWS_AT_ONCE, _BYTES // row_bytes) // max(self.n_cells, 1))
        for start in range(0, len(groups), step):
            at = range(start, min(start + step, len(groups)))
            yield at, np.concatenate([self.scores_without(groups[i]) for i in at]), np.tile(self.cells, len(at))

    def _values_without(self, columns: Indices) -> Matrix:
        """Return the values with the background values of these features instead."""
        values: Any = self.X.copy()
        if not sparse.issparse(self.X):
            values[:, columns] = self.background[columns]
            return values
        n, p = values.shape
        background = np.zeros(p, np.float32)
        background[columns] = self.background[columns]
        values.data[np.isin(values.indices, columns)] = 0
        values.eliminate_zeros()
        added = sparse.csr_array(np.ones((n, 1), np.float32)) @ sparse.csr_array(background[None, :])
        added.sort_indices()  # as the sum keeps the order, and rounding depends on it
        return sparse.csr_array(values + added)


def background_values(X: Matrix, value: BackgroundValue) -> NDArray[np.float32]:
    """(p,) background value of each feature over training cells (n, p), ignoring missing values."""
    if value == "zero":
        return np.zeros(X.shape[1], np.float32)
    if value == "mean":
        return column_means(X).astype(np.float32)
    values = column_range(X)[0] if value == "minimum" else _column_medians(X)
    return np.nan_to_num(values).astype(np.float32)


def _column_medians(X: Matrix) -> NDArray[np.float64]:
    n, p = X.shape
    columns: Any = sparse.csc_array(X) if sparse.issparse(X) else X
    medians = np.zeros(p)
    width = max(1, _MEDIAN_VALUES // max(n, 1))
    for start in range(0, p, width):
        values = to_dense(columns[:, start : start + width]).astype(np.float64)
        empty = np.isnan(values).all(axis=0)
        medians[start : start + width] = np.nanmedian(np.where(empty, 0, values), axis=0)
    return medians
