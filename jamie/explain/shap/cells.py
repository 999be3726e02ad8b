"""Cells that are explained, and cells that they are compared with."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from jamie.core.errors import DataError
from jamie.core.explanation import Explainable
from jamie.core.matrix import column_means, to_dense
from jamie.explain.shap.task import BackgroundCells

MIN_CELLS = 2  # for a comparison
MAX_CLUSTERED = 10_000  # training cells for k-means


def explained_cells(subject: Explainable, modality: str, n: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Sorted positions of up to `n` cells: held-out cells first, each label in proportion where there is one."""
    data, train = subject.dataset.modalities[modality], subject.split.train[modality]
    label = next((name for name in subject.dataset.labels if name in data.obs), None)
    labels = np.full(data.n_cells, None, dtype=object) if label is None else data.labels(label)
    chosen: NDArray[np.int64] = np.empty(0, np.int64)
    for cells in (np.flatnonzero(~train), np.flatnonzero(train)):
        chosen = np.concatenate([chosen, _stratified_sample(cells, labels[cells], n - len(chosen), generator)])
    if len(chosen) < MIN_CELLS:
        raise DataError(
            f"expected at least {MIN_CELLS} cells to explain, found {len(chosen)}",
            where=f"explainer 'shap', modality '{modality}'",
            fix="give data with more cells",
        )
    return np.sort(chosen)


def _stratified_sample(
    cells: NDArray[np.int64], labels: NDArray[np.object_], n: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Draw `n` of the cells, or all if there are fewer, with the same fraction of each label."""
    order = generator.permutation(len(cells))
    rank = np.empty(len(cells))
    for label in set(labels):
        own = order[labels[order] == label]
        rank[own] = (np.arange(len(own)) + 0.5) / len(own)
    return cells[np.argsort(rank, kind="stable")[:n]]


def background_cells(
    subject: Explainable, modality: str, n: int, by: Literal["sample", "kmeans"], generator: np.random.Generator
) -> BackgroundCells:
    """Draw up to `n` training cells, or take the centers of as many clusters of them, weighted by their size."""
    train = np.flatnonzero(subject.split.train[modality])
    n = min(n, len(train))
    if n < MIN_CELLS:
        raise DataError(
            f"expected at least {MIN_CELLS} training cells for the background, found {n}",
            where=f"explainer 'shap', modality '{modality}'",
            fix="give data that contain cells of the training set",
        )
    clustered = by == "kmeans"
    drawn = generator.permutation(train)[:MAX_CLUSTERED] if clustered else generator.choice(train, n, replace=False)
    cells = np.sort(drawn)
    X = subject.complete(modality, subject.dataset.modalities[modality].input.X[cells])
    if not clustered:
        return BackgroundCells(to_dense(X), np.full(n, 1 / n))
    from sklearn.cluster import KMeans

    clusters = KMeans(n, n_init=3, random_state=int(generator.integers(2**31))).fit_predict(
        subject.scores(modality)[cells]
    )
    numbers, sizes = np.unique(clusters, return_counts=True)
    centers = np.stack([column_means(X[np.flatnonzero(clusters == number)]) for number in numbers])
    return BackgroundCells(centers.astype(np.float32), sizes / sizes.sum())
