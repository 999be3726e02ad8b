"""Which outputs of a model are explained."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from jamie.core.errors import DataError
from jamie.core.evaluation import ImputedPair
from jamie.core.explanation import Explainable
from jamie.core.matrix import to_dense
from jamie.core.suggest import suggest_names
from jamie.explain.shap.task import LATENT, Outputs
from jamie.metrics.by_feature import by_feature, correlation

FEWEST_PAIRS, ENOUGH_HELD_OUT, MOST_PAIRS = 3, 20, 500  # matched cells that tell which features are imputed well


def outputs_of(
    subject: Explainable, source: str | None, target: str | None, features: int | Sequence[str | int]
) -> Outputs:
    """Choose the modalities that are not given, and the features where only their number is.

    Raises
    ------
    DataError
        Where they do not follow, or are unknown.
    """
    source, target = _direction(subject, source, target)
    if target == LATENT:
        return _latents(subject, source, features)
    absent = target not in subject.dataset.modalities
    if absent and not isinstance(features, int):
        return _some(Outputs(source, target, tuple(map(str, features))))  # the model knows its features
    if absent:
        _unknown("target", "a modality of the data, as no features of it are named", target, subject.dataset.modalities)
    if isinstance(features, int):
        best = _best_imputed(subject, source, target)[:features]
        return Outputs(source, target, tuple(subject.dataset.modalities[target].target.features[best].astype(str)))
    known = subject.dataset.modalities[target].target.features
    names = tuple(dict.fromkeys(map(str, features)))
    for name in names:
        if name not in known:
            _unknown("features", f"a feature of {target}", name, known.astype(str))
    return _some(Outputs(source, target, names))


def _direction(subject: Explainable, source: str | None, target: str | None) -> tuple[str, str]:
    names = list(subject.dataset.modalities)
    if source is not None and source not in names:
        _unknown("source", "a modality of the data", source, names)
    if source is None and target in (None, LATENT):
        source = names[0]
    elif source is None:
        others = [name for name in names if name != target] or names
        if len(others) > 1 and len(names) > 2:
            _not_told("source", others)
        source = others[0]
    others = [name for name in names if name != source]
    if target == source:
        raise DataError(
            f"expected a target other than the source, found '{source}' as both",
            where="explainer 'shap', target",
            fix=f"choose target: {' or '.join([*others, LATENT])}",
        )
    if target is None:
        if len(others) != 1:
            _not_told("target", [*others, LATENT])
        target = others[0]
    return source, target


def _not_told(option: str, among: Sequence[str]) -> None:
    raise DataError(
        f"expected '{option}', as it does not follow from the modalities of the data, found none",
        where="explainer 'shap'",
        fix=f"give {option}: {' or '.join(among)}",
    )


def _unknown(option: str, expected: str, found: str, among: Collection[str]) -> None:
    raise DataError(
        f"expected {expected}, found '{found}'", where=f"explainer 'shap', {option}", fix=suggest_names(found, among)
    )


def _latents(subject: Explainable, source: str, features: int | Sequence[str | int]) -> Outputs:
    """Latents by their number, as 3 or latent_3, or those that vary most over the source's cells."""
    spread = subject.embed(source, subject.scores(source)).std(axis=0)
    names = [f"{LATENT}_{i}" for i in range(len(spread))]
    if isinstance(features, int):
        columns = np.argsort(-spread, kind="stable")[:features].tolist()
    else:
        given = [f"{LATENT}_{one}" if str(one).isdecimal() else str(one) for one in features]
        for name in given:
            if name not in names:
                _unknown("features", "a latent of the model", name, names)
        columns = [names.index(name) for name in dict.fromkeys(given)]
    return _some(Outputs(source, None, tuple(names[i] for i in columns), tuple(columns)))


def _some(outputs: Outputs) -> Outputs:
    if not outputs.names:
        raise DataError(
            "expected at least one feature, found an empty list",
            where="explainer 'shap', features",
            fix="name features, or give how many of the best imputed are to be explained",
        )
    return outputs


def _best_imputed(subject: Explainable, source: str, target: str) -> NDArray[np.int64]:
    """Features (t,) by the correlation of imputed and measured values over matched cells, the best first.

    Over held-out cells, where enough are matched.
    """
    partner = subject.dataset.truth.between(source, target).mutual_best().best_partner()
    rows = np.flatnonzero(partner >= 0)
    held_out = rows[~subject.split.train[source][rows] & ~subject.split.train[target][partner[rows]]]
    rows = held_out if len(held_out) >= ENOUGH_HELD_OUT else rows
    if len(rows) < FEWEST_PAIRS:
        raise DataError(
            f"expected matched cells, by which the best imputed features are found, found {len(rows)}",
            where="explainer 'shap', features",
            fix=f"name the features of {target} that are to be explained",
        )
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(MOST_PAIRS, len(rows))).astype(np.int64))]
    block = subject.dataset.modalities[target].target
    measured = to_dense(block.X[partner[rows]])
    imputed = subject.impute(source, target, subject.scores(source)[rows], rows)
    of_cells = measured.mean(axis=0), measured.std(axis=0)
    score = by_feature(ImputedPair(source, target, block.features, measured, imputed, *of_cells), correlation)
    return np.argsort(-np.nan_to_num(score, nan=-1), kind="stable")
