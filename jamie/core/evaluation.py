"""Results as metrics read them, and the score that a metric returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

Labels = NDArray[np.object_]


@dataclass(frozen=True)
class EmbeddedPair:
    """Two modalities' cells in the latent space, as a metric sees them.

    Parameters
    ----------
    source, target
        Names of the modalities.
    z_source : (n_s, L)
        Latent means.
    z_target : (n_t, L)
        Latent means.
    truth : (n_s, n_t)
        Which cells are truly the same, where that is known.
    labels_source, labels_target
        (n_s,) and (n_t,) label of each cell, None where there is none.

    Examples
    --------
    >>> pair = EmbeddedPair("rna", "atac", np.zeros((2, 1)), np.zeros((2, 1)), sparse.csr_array(np.eye(2)))
    >>> pair.labels_source is None
    True
    """

    source: str
    target: str
    z_source: NDArray[np.floating]
    z_target: NDArray[np.floating]
    truth: sparse.csr_array
    labels_source: Labels | None = None
    labels_target: Labels | None = None


@dataclass(frozen=True)
class ImputedPair:
    """One modality as measured and as imputed from another, for the same cells.

    Parameters
    ----------
    source, target
        Names of the modalities; `target` is imputed from `source`.
    features : (p,)
        Names of the target's features.
    measured, imputed : (n, p)
        Values in the target's own units: arrays, or if there are very many a `LazyMatrix` for metrics that take it.
    mean, sd : (p,)
        Of each feature over the training cells.
    labels : (n,)
        Label of each cell, None where there is none.
    lower, upper : (n, p)
        Intervals of the imputed values, None where the method gives none.

    Examples
    --------
    >>> values = np.ones((2, 3))
    >>> pair = ImputedPair("rna", "atac", pd.Index(["a", "b", "c"]), values, values, values[0], values[0])
    >>> pair.lower is None
    True
    """

    source: str
    target: str
    features: pd.Index
    measured: NDArray[np.floating]
    imputed: NDArray[np.floating]
    mean: NDArray[np.floating]
    sd: NDArray[np.floating]
    labels: Labels | None = None
    lower: NDArray[np.floating] | None = None
    upper: NDArray[np.floating] | None = None


@dataclass(frozen=True)
class MatchedPair:
    """An inferred correspondence beside the true one.

    Parameters
    ----------
    source, target
        Names of the modalities.
    inferred : (n_s, n_t)
        Confidences.
    truth : (n_s, n_t)
        True pairs, without those that the inferer was given.
    labels_source, labels_target
        (n_s,) and (n_t,) label of each cell, None where there is none.
    scores_source, scores_target
        (n_s, d_s) and (n_t, d_t) preprocessed scores of the cells, None where they are not at hand.

    Examples
    --------
    >>> same = sparse.csr_array(np.eye(2))
    >>> MatchedPair("rna", "atac", inferred=same, truth=same).source
    'rna'
    """

    source: str
    target: str
    inferred: sparse.csr_array
    truth: sparse.csr_array
    labels_source: Labels | None = None
    labels_target: Labels | None = None
    scores_source: NDArray[np.floating] | None = None
    scores_target: NDArray[np.floating] | None = None


@dataclass(frozen=True)
class Score:
    """Score of a result by a metric.

    Parameters
    ----------
    value
        The one number to report.
    parts
        Further numbers by name, such as ``{"sd": 0.1}``.
    per_feature
        (p,) values by group of cells, ``""`` for all cells; NaN for a feature that cannot be scored.

    Examples
    --------
    >>> Score(0.5, {"sd": 0.1}).parts["sd"]
    0.1
    """

    value: float
    parts: Mapping[str, float] = field(default_factory=dict)
    per_feature: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
