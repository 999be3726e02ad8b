"""Which cells are explained, and which they are compared with."""

from __future__ import annotations

import logging
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from jamie.core.data import Matrix
from jamie.core.errors import DataError
from jamie.core.explanation import Explainable
from jamie.core.matrix import column_means, to_dense
from jamie.explain.shap.task import Background

FEWEST = 2  # cells with which there is something to compare
MOST_CLUSTERED = 10_000  # training cells that k-means sees

log = logging.getLogger(__name__)


def explained_cells(subject: Explainable, modality: str, n: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Choose up to `n` cells, held-out ones first, each label in proportion where there is one; sorted positions."""
    train = subject.split.train[modality]
    labels = _labels(subject, modality)
    chosen: NDArray[np.int64] = np.empty(0, np.int64)
    for cells in (np.flatnonzero(~train), np.flatnonzero(train)):
        chosen = np.concatenate([chosen, _in_proportion(cells, labels[cells], n - len(chosen), generator)])
    if len(chosen) < FEWEST:
        raise DataError(
            f"expected at least {FEWEST} cells to explain, found {len(chosen)}",
            where=f"explainer 'shap', modality '{modality}'",
            fix="give data with more cells",
        )
    return np.sort(chosen)


def _labels(subject: Explainable, modality: str) -> NDArray[np.object_]:
    data, names = subject.dataset.modalities[modality], subject.dataset.labels
    own = [name for name in names if name in data.obs]
    return data.labels(own[0]) if own else np.full(data.n_cells, None, dtype=object)


def _in_proportion(
    cells: NDArray[np.int64], labels: NDArray[np.object_], n: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Draw `n` of the cells, or all if there are fewer, of each label as large a part as of the others."""
    order = generator.permutation(len(cells))
    rank = np.empty(len(cells))
    for label in set(labels):
        own = order[labels[order] == label]
        rank[own] = (np.arange(len(own)) + 0.5) / len(own)
    return cells[np.argsort(rank, kind="stable")[:n]]


def background_of(
    subject: Explainable, modality: str, n: int, by: Literal["sample", "kmeans"], generator: np.random.Generator
) -> Background:
    """Choose up to `n` training cells, or centres of as many clusters of them, weighted by their size."""
    train = np.flatnonzero(subject.split.train[modality])
    X = subject.dataset.modalities[modality].input.X
    n = min(n, len(train))
    if n < FEWEST:
        raise DataError(
            f"expected at least {FEWEST} training cells for the background, found {n}",
            where=f"explainer 'shap', modality '{modality}'",
            fix="explain a model by data that hold cells of its training",
        )
    if by == "kmeans":
        cells = np.sort(generator.permutation(train)[:MOST_CLUSTERED])
        return _centres(subject.complete(modality, X[cells]), subject.scores(modality)[cells], n, generator)
    cells = np.sort(generator.choice(train, n, replace=False))
    return Background(to_dense(subject.complete(modality, X[cells])), np.full(n, 1 / n))


def _centres(X: Matrix, scores: NDArray[np.float32], n: int, generator: np.random.Generator) -> Background:
    """Mean cells (n, p) of clusters of the scores, weighted by the number of their cells."""
    from sklearn.cluster import KMeans

    clusters = KMeans(n, n_init=3, random_state=int(generator.integers(2**31))).fit_predict(scores)
    found, sizes = np.unique(clusters, return_counts=True)
    centres = np.stack([column_means(X[np.flatnonzero(clusters == one)]) for one in found])
    return Background(centres.astype(np.float32), sizes / sizes.sum())
