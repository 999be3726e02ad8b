"""Kernel ridge regression."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from jamie.regression.fitted import FittedRegression
from jamie.regression.pairs import TrainingPairs
from jamie.regression.penalties import PenaltyChoice, choose_penalties, describe_penalties, ridge_weights
from jamie.regression.spectrum import Floats, FoldSpectrum, Spectrum, decompose_folds

Distance = Literal["euclidean", "cosine"]

BANDWIDTHS = (0.5, 1.0, 2.0)  # in units of the median distance of two cells
PENALTIES = np.logspace(-4, 2, 13)
LEADING = (16, 64)
MOST_CENTERS = 500
TUNING_CENTERS = 250  # on which bandwidth and components are chosen

_FOR_MEDIAN = 1000  # cells
_RANK = 1e-10  # relative to the largest eigenvalue


@dataclass(frozen=True, eq=False, kw_only=True)
class FittedKernelRidge(FittedRegression):
    """Predicts ``sum_i exp(-|z - c_i|^2 / 2 h^2) a_i + b``, z leading axes of clipped inputs, of norm 1 if `cosine`.

    Parameters
    ----------
    centers : (m, d)
        c.
    bandwidth
        h.
    dual : (m, t)
        a.
    offset : (t,)
        b.
    """

    mean: Floats
    axes: Floats
    centers: Floats
    bandwidth: float
    dual: Floats
    offset: Floats
    cosine: bool = False

    def _predict(self, x: Floats) -> Floats:
        z = (x - self.mean) @ self.axes
        squares = squared_distances(of_unit_norm(z) if self.cosine else z, self.centers)
        return np.asarray(np.exp(-squares / (2 * self.bandwidth**2)) @ self.dual + self.offset)


@dataclass(frozen=True, kw_only=True)
class KernelRidgeRegression:
    """Kernel ridge regression with a Gaussian kernel and an intercept.

    With at most `MOST_CENTERS` pairs each is a center, and the solution is exact. Otherwise as many pairs are drawn,
    and the kernel is approximated by its projection onto theirs (Nystrom), which makes of it a ridge regression on
    as many features. Bandwidth and components are chosen with `TUNING_CENTERS`, penalties with all centers.

    Parameters
    ----------
    penalty
        ``per_target`` chooses a penalty for each principal axis of the targets, ``shared`` one for all.
    distance
        ``cosine`` divides the inputs by their norm, so that distances are those of directions, which a cell's depth
        does not change.
    """

    penalty: PenaltyChoice = "per_target"
    distance: Distance = "euclidean"

    def fit(self, pairs: TrainingPairs) -> FittedKernelRidge:
        """Choose bandwidth and penalties by the error out of fold, and fit on the pairs of `TrainingPairs.rows`."""
        n, d = len(pairs.inputs), pairs.linear_axes.shape[1]
        drawn = pairs.generator("kernel_ridge").permutation(n)[:MOST_CENTERS]
        leading = [c for c in LEADING if c < d] + [d]
        cosine = self.distance == "cosine"

        def paths(rows: NDArray[np.int64], n_components: int, bandwidths: Sequence[float]) -> list[_Path]:
            return list(_paths(pairs, np.sort(rows), n_components, bandwidths, self.penalty, cosine=cosine))

        tried = [path for c in leading for path in paths(drawn[:TUNING_CENTERS], c, BANDWIDTHS)]
        path = min(tried, key=lambda path: path.error)
        if len(drawn) > TUNING_CENTERS:
            path = paths(drawn, path.centers.shape[1], [path.relative_bandwidth])[0]
        spectrum = Spectrum.of([(path.features, pairs.targets)])
        weights = spectrum.vectors @ ridge_weights(spectrum, path.penalties)
        predicted = pairs.predict_left_out(path.predict_left_out)
        return FittedKernelRidge(
            name="kernel_ridge_cosine" if cosine else "kernel_ridge",
            clip=pairs.clip,
            out_of_fold=pairs.left_out_in_units(predicted),
            tuning={
                "candidates": {"n_components": leading, "bandwidth": list(BANDWIDTHS), "penalty": PENALTIES.tolist()},
                "chosen": {
                    "n_components": path.centers.shape[1],
                    "bandwidth": path.relative_bandwidth,
                    "penalty": describe_penalties(path.penalties),
                },
                "n_centers": len(drawn),
                "error": pairs.error(predicted),
            },
            centers=path.centers,
            mean=pairs.input_mean,
            axes=pairs.linear_axes[:, : path.centers.shape[1]],
            bandwidth=path.bandwidth,
            dual=path.whitening @ weights @ pairs.axes.T,
            offset=pairs.mean + (spectrum.target_mean - spectrum.mean @ weights) @ pairs.axes.T,
            cosine=cosine,
        )


@dataclass(frozen=True, eq=False)
class _Path:
    """All penalties of one bandwidth: features (n, r) whose products are the kernel, and what they come to."""

    centers: Floats
    relative_bandwidth: float
    bandwidth: float
    whitening: Floats
    features: Floats
    left_out: Floats
    folds: list[FoldSpectrum]
    penalties: Floats
    error: float

    def predict_left_out(self, fold: int, outer: np.ndarray) -> Floats:
        spectrum = self.folds[fold].spectrum
        return spectrum.predict(ridge_weights(spectrum, self.penalties), self.left_out[outer])


def _paths(
    pairs: TrainingPairs,
    rows: NDArray[np.int64],
    n_components: int,
    bandwidths: Sequence[float],
    choice: PenaltyChoice,
    *,
    cosine: bool,
) -> Iterator[_Path]:
    """Yield the path of each bandwidth, all from the same distances to the centers at `rows`."""
    axes = pairs.linear_axes[:, :n_components]
    x, left_out = ((v - pairs.input_mean) @ axes for v in (pairs.inputs, pairs.left_out_inputs))
    if cosine:
        x, left_out = of_unit_norm(x), of_unit_norm(left_out)
    centers, median = x[rows], median_distance(x)
    among, to_x, to_left_out = (squared_distances(v, centers) for v in (centers, x, left_out))
    for b in bandwidths:
        scale = -0.5 / (b * median) ** 2
        values, vectors = np.linalg.eigh(np.exp(scale * among))
        kept = values > _RANK * values[-1]
        whitening = vectors[:, kept] / np.sqrt(values[kept])
        features, outer = np.exp(scale * to_x) @ whitening, np.exp(scale * to_left_out) @ whitening
        folds = decompose_folds(features, outer, pairs.targets, pairs.splits)
        penalties, error = choose_penalties(folds, PENALTIES, choice, len(pairs.left_out))
        yield _Path(centers, b, b * median, whitening, features, outer, folds, penalties, error)


def of_unit_norm(x: Floats) -> Floats:
    """Return inputs (n, d) divided by their norm; zeros stay."""
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), np.finfo(np.float64).tiny))


def squared_distances(x: Floats, centers: Floats) -> Floats:
    """(n, m) squared Euclidean distances of inputs (n, d) and centers (m, d)."""
    squares = (x**2).sum(axis=1)[:, None] - 2 * x @ centers.T + (centers**2).sum(axis=1)
    return np.maximum(squares, 0)


def median_distance(x: Floats) -> float:
    """Return the median distance of two of the inputs (n, d), or of some of them, evenly chosen; 1 if it is 0."""
    from scipy.spatial.distance import pdist

    return float(np.median(pdist(x[:: -(-len(x) // _FOR_MEDIAN)]))) or 1.0
