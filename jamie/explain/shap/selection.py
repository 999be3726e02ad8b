"""Choice of the outputs and cells that are explained, and of the background cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from jamie.core.errors import DataError
from jamie.core.evaluation import ImputedPair
from jamie.core.explanation import Explainable
from jamie.core.matrix import column_means, to_dense
from jamie.explain.selection import choose_features, default_label, require_features, require_known
from jamie.explain.shap.task import LATENT, BackgroundCells, ExplainedOutputs
from jamie.metrics.by_feature import by_feature, correlation

MIN_PAIRS, ENOUGH_HELD_OUT, MAX_PAIRS = 3, 20, 500  # matched cells by which the best imputed features are chosen
WHERE = "explainer 'shap'"
MIN_CELLS = 2  # for a comparison
MAX_CLUSTERED = 10_000  # training cells for k-means


def choose_outputs(
    subject: Explainable, source: str | None, target: str | None, features: int | Sequence[str | int]
) -> ExplainedOutputs:
    """Choose the modalities that are not given, and the features if only their number is given.

    Raises
    ------
    DataError
        If the modalities are ambiguous, or names are unknown.
    """
    source, target = _direction(subject, source, target)
    if not isinstance(features, int):
        require_features(features, f"{WHERE}, features")
    if target == LATENT:
        return _latents(subject, source, features)
    names = None if isinstance(features, int) else list(dict.fromkeys(map(str, features)))
    modalities = subject.dataset.modalities
    if names is None:
        require_known([target], modalities, "a modality of the data, as no features are named", f"{WHERE}, target")
        best = _best_imputed(subject, source, target)[:features]
        names = list(modalities[target].target.features[best].astype(str))
    elif target in modalities:  # otherwise the model knows its features
        choose_features(modalities[target].target.features, names, f"{WHERE}, features")
    return ExplainedOutputs(source, target, tuple(names))


def _direction(subject: Explainable, source: str | None, target: str | None) -> tuple[str, str]:
    names = list(subject.dataset.modalities)
    if source is None:
        others = [name for name in names if name != target] or names
        if target not in (None, LATENT) and len(names) > 2:
            _refuse_ambiguous("source", others)
        source = others[0]
    require_known([source], names, "a modality of the data", f"{WHERE}, source")
    targets = [*(name for name in names if name != source), LATENT]
    if target == source:
        raise DataError(
            f"expected a target other than the source, found '{source}' as both",
            where=f"{WHERE}, target",
            fix=f"choose target: {' or '.join(targets)}",
        )
    if target is None:
        if len(targets) != 2:
            _refuse_ambiguous("target", targets)
        target = targets[0]
    return source, target


def _refuse_ambiguous(option: str, choices: Sequence[str]) -> None:
    raise DataError(
        f"expected '{option}', as it does not follow from the modalities of the data, found none",
        where=WHERE,
        fix=f"give {option}: {' or '.join(choices)}",
    )


def _latents(subject: Explainable, source: str, features: int | Sequence[str | int]) -> ExplainedOutputs:
    """Latents by their number, as 3 or latent_3, or those that vary most over the source's cells."""
    spread = subject.embed(source, subject.scores(source)).std(axis=0)
    names = [f"{LATENT}_{i}" for i in range(len(spread))]
    if isinstance(features, int):
        columns = np.argsort(-spread, kind="stable")[:features].tolist()
    else:
        chosen = [f"{LATENT}_{feature}" if str(feature).isdecimal() else str(feature) for feature in features]
        require_known(chosen, names, "a latent of the model", f"{WHERE}, features")
        columns = [names.index(name) for name in dict.fromkeys(chosen)]
    return ExplainedOutputs(source, None, tuple(names[i] for i in columns), tuple(columns))


def _best_imputed(subject: Explainable, source: str, target: str) -> NDArray[np.int64]:
    """Features (t,) by the correlation of imputed and measured values over matched cells, the best first.

    Over held-out cells, where enough of them are matched.
    """
    partner = subject.dataset.truth.between(source, target).mutual_best().best_partner()
    rows = np.flatnonzero(partner >= 0)
    held_out = rows[~subject.split.train[source][rows] & ~subject.split.train[target][partner[rows]]]
    rows = held_out if len(held_out) >= ENOUGH_HELD_OUT else rows
    if len(rows) < MIN_PAIRS:
        raise DataError(
            f"expected at least {MIN_PAIRS} matched cells to choose the best imputed features, found {len(rows)}",
            where=f"{WHERE}, features",
            fix=f"name the features of {target} that are to be explained",
        )
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(MAX_PAIRS, len(rows))).astype(np.int64))]
    block = subject.dataset.modalities[target].target
    measured = to_dense(block.X[partner[rows]])
    imputed = subject.impute(source, target, subject.scores(source)[rows], rows)
    moments = measured.mean(axis=0), measured.std(axis=0)
    score = by_feature(ImputedPair(source, target, block.features, measured, imputed, *moments), correlation)
    return np.argsort(-np.nan_to_num(score, nan=-1), kind="stable")


def explained_cells(subject: Explainable, modality: str, n: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Sorted positions of up to `n` cells: held-out cells first, each label in proportion if there is one."""
    data, train = subject.dataset.modalities[modality], subject.split.train[modality]
    label = default_label(subject, (modality,))
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
    sampled = by == "sample"
    drawn = generator.choice(train, n, replace=False) if sampled else generator.permutation(train)[:MAX_CLUSTERED]
    cells = np.sort(drawn)
    X = subject.complete(modality, subject.dataset.modalities[modality].input.X[cells])
    if sampled:
        return BackgroundCells(to_dense(X), np.full(n, 1 / n))
    from sklearn.cluster import KMeans

    kmeans = KMeans(n, n_init=3, random_state=int(generator.integers(2**31)))
    clusters = kmeans.fit_predict(subject.scores(modality)[cells])
    numbers, sizes = np.unique(clusters, return_counts=True)
    centers = np.stack([column_means(X[np.flatnonzero(clusters == number)]) for number in numbers])
    return BackgroundCells(centers.astype(np.float32), sizes / sizes.sum())
