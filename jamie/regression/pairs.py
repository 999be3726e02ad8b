"""Pairs that regressions are fitted on, and what all of them share: folds, clipped inputs, bases and decompositions."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from jamie.core.errors import DataError
from jamie.core.row_reader import Rows
from jamie.regression.folds import MIN_PAIRS, make_folds
from jamie.regression.spectrum import Floats, FoldSpectrum, Spectrum, decompose_folds

MOST_PAIRS = 10_000  # that settings are chosen on, and that kernels, neighbors and trees are fitted on

_PART = 4096  # pairs that are read at a time
_RANK = 1e-10  # relative to the largest variance; below is rounding error


@dataclass(frozen=True, eq=False)
class Clip:
    """Range of each input among the training pairs; inputs of other cells are clipped to it.

    A linear map extrapolates without limit, and one outlying cell then decides how well a feature correlates.

    Parameters
    ----------
    low, high : (d,)
        Least and largest values.
    """

    low: Floats
    high: Floats

    @classmethod
    def of(cls, x: Rows) -> Clip:
        """Take the range of inputs (n, d)."""
        ranges = [(part.min(axis=0), part.max(axis=0)) for part in (x[rows] for rows in _parts(len(x)))]
        low, high = np.min([r[0] for r in ranges], axis=0), np.max([r[1] for r in ranges], axis=0)
        return cls(low.astype(np.float64), high.astype(np.float64))

    def __call__(self, x: NDArray[np.floating]) -> Floats:
        """Clip inputs (n, d)."""
        return np.clip(x.astype(np.float64), self.low, self.high)


@dataclass(frozen=True, eq=False)
class TrainingPairs:
    """Inputs and targets of the same cells, divided into folds.

    All regressions of the same pairs have the same folds, so that what they predict out of fold can be compared, and
    share what does not depend on their settings. Targets are turned to their principal axes, along which the errors of
    a regression are the same and of which there are no more than pairs.

    Parameters
    ----------
    x : (n, d)
        Inputs, an array or rows that are made when they are read.
    y : (n, t)
        Targets, likewise.
    folds : (n,)
        Fold of each pair; a negative one is never left out.
    rows : (m,)
        Pairs that settings are chosen on: all, or `MOST_PAIRS` drawn at random.
    seed
        Of the regressions that are random.
    """

    x: Rows
    y: Rows
    folds: NDArray[np.int64]
    rows: NDArray[np.int64]
    seed: int = 0

    @classmethod
    def of(
        cls,
        x: Rows,
        y: Rows,
        generator: np.random.Generator,
        folds: NDArray[np.int64] | None = None,
    ) -> TrainingPairs:
        """Divide pairs into folds.

        Parameters
        ----------
        x, y
            (n, d) inputs and (n, t) targets; finite.
        generator
            Draws the seed, the folds, and the pairs that settings are chosen on where there are many.
        folds
            Fold (n,) of each pair, in place of folds drawn at random.

        Raises
        ------
        DataError
            Where there are fewer than `MIN_PAIRS` pairs, or fewer than two folds.
        """
        if len(x) < MIN_PAIRS:
            raise DataError(
                f"expected at least {MIN_PAIRS} pairs to cross-validate a regression on, found {len(x)}",
                where="regression",
                fix="give it more known pairs",
            )
        seed = int(generator.integers(2**31))
        folds = make_folds(len(x), generator) if folds is None else folds
        if len(np.unique(folds[folds >= 0])) < 2:
            raise DataError(
                f"expected at least two folds of the {len(x)} pairs, found fewer",
                where="regression",
                fix="divide the pairs into more",
            )
        rows = np.arange(len(x))
        if len(x) > MOST_PAIRS:
            rows = np.sort(generator.choice(len(x), MOST_PAIRS, replace=False))
        return cls(x, y, folds, rows, seed)

    def generator(self, regression: str) -> np.random.Generator:
        """Return a fresh generator for a regression, the same whatever else was fitted on these pairs."""
        return np.random.default_rng([self.seed, zlib.crc32(regression.encode())])

    @cached_property
    def left_out(self) -> NDArray[np.int64]:
        """(l,) pairs that a fold leaves out, among those that settings are chosen on."""
        return self.rows[self.folds[self.rows] >= 0]

    @cached_property
    def inputs(self) -> Floats:
        """(m, d) inputs of the pairs that settings are chosen on."""
        return self.x[self.rows].astype(np.float64)

    @cached_property
    def left_out_inputs(self) -> Floats:
        """(m, d) inputs, each pair's clipped to the range of the other folds."""
        clipped = self.inputs.copy()
        for inner, outer in self.splits:
            clipped[outer] = Clip.of(self.inputs[inner])(clipped[outer])
        return clipped

    @cached_property
    def splits(self) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """For each fold, the pairs to fit on and those left out, as positions in `rows`."""
        folds = self.folds[self.rows]
        return [(np.flatnonzero(folds != f), np.flatnonzero(folds == f)) for f in np.unique(folds[folds >= 0])]

    @cached_property
    def clip(self) -> Clip:
        """Range of the inputs."""
        return Clip.of(self.x)

    @cached_property
    def mean(self) -> Floats:
        """(t,) mean of the targets."""
        return self.y[self.rows].mean(axis=0, dtype=np.float64)

    @cached_property
    def axes(self) -> Floats:
        """(t, r) principal axes of the targets."""
        return _principal_axes(self.y[self.rows] - self.mean)

    @cached_property
    def targets(self) -> Floats:
        """(m, r) centered targets along their principal axes."""
        return self.along_axes(self.y[self.rows])

    @cached_property
    def input_mean(self) -> Floats:
        """(d,) mean of the inputs."""
        return np.asarray(self.inputs.mean(axis=0))

    @cached_property
    def input_axes(self) -> Floats | None:
        """(d, q) axes that span the centered inputs where these are more than the pairs; linear maps read no others."""
        m, d = self.inputs.shape
        return None if d < m else _principal_axes(self.inputs - self.input_mean)

    @cached_property
    def linear_folds(self) -> list[FoldSpectrum]:
        """Decomposition of the inputs for each fold, which serves all linear maps."""
        z, left_out = (self.along_input_axes(x) for x in (self.inputs, self.left_out_inputs))
        return decompose_folds(z, left_out, self.targets, self.splits)

    @cached_property
    def linear_spectrum(self) -> Spectrum:
        """Decomposition of the inputs of all pairs, also of those that settings are not chosen on."""
        parts = ((self.x[rows], self.y[rows]) for rows in _parts(len(self.x)))
        return Spectrum.of((self.along_input_axes(x), self.along_axes(y)) for x, y in parts)

    @cached_property
    def linear_axes(self) -> Floats:
        """(d, k) principal axes of the inputs, the first of most variance; regressions that are not linear use some."""
        vectors = self.linear_spectrum.vectors
        return vectors if self.input_axes is None else self.input_axes @ vectors

    def along_axes(self, y: NDArray[np.floating]) -> Floats:
        """Return targets (n, t) less their mean along their principal axes."""
        return np.asarray((y - self.mean) @ self.axes)

    def along_input_axes(self, x: NDArray[np.floating]) -> Floats:
        """Return inputs (n, d) less their mean along `input_axes`."""
        centered = x - self.input_mean
        return np.asarray(centered if self.input_axes is None else centered @ self.input_axes)

    def predict_left_out(self, predict: Callable[[int, NDArray[np.int64]], Floats]) -> Floats:
        """Predict (m, r) each pair with what was fitted without its fold; 0 for one that no fold leaves out.

        Parameters
        ----------
        predict
            Given the number of a fold and the pairs it leaves out, their targets along the principal axes.
        """
        predicted = np.zeros_like(self.targets)
        for i, (_, outer) in enumerate(self.splits):
            predicted[outer] = predict(i, outer)
        return predicted

    @cached_property
    def total_variance(self) -> float:
        """Number of pairs times the mean variance of the inputs; 1 if they are constant."""
        return len(self.inputs) * float(self.inputs.var(axis=0).mean()) or 1.0

    def error(self, predicted: NDArray[np.floating]) -> float:
        """Error of predictions (m, r), centered within folds, as a part of the targets' variance within folds."""
        return self._spread(self.targets - predicted) / (self._variance or 1.0)

    @cached_property
    def _variance(self) -> float:
        return self._spread(self.targets)

    def _spread(self, values: NDArray[np.floating]) -> float:
        """Sum of squares of values (m, r) less the mean of their fold."""
        of_folds = (values[outer] for _, outer in self.splits)
        return float(sum(np.vdot(v, v) - len(v) * (v.mean(axis=0) ** 2).sum() for v in of_folds))

    def error_in_units(self, predicted: NDArray[np.floating]) -> float:
        """Error, as of `error`, of predictions (l, t) of `left_out` in the units of the targets."""
        return self.error(self.predict_left_out(lambda _, outer: self.along_axes(predicted[self._position[outer]])))

    @cached_property
    def _position(self) -> NDArray[np.int64]:
        """(m,) place in `left_out` of each of `rows`, for those that a fold leaves out."""
        return np.cumsum(self.folds[self.rows] >= 0) - 1

    def left_out_in_units(self, predicted: NDArray[np.floating]) -> Floats:
        """Return predictions (m, r) of the pairs that a fold leaves out in the units of the targets, (l, t)."""
        return np.asarray(self.mean + predicted[self.folds[self.rows] >= 0] @ self.axes.T)


def _parts(n: int) -> Iterator[slice]:
    """Slices that together cover n pairs."""
    return (slice(start, start + _PART) for start in range(0, n, _PART))


def _principal_axes(centered: NDArray[np.floating]) -> Floats:
    """(p, r) principal axes of values (n, p), by the smaller of their Gram matrices; one at least."""
    n, p = centered.shape
    values, vectors = np.linalg.eigh(centered.T @ centered if p <= n else centered @ centered.T)
    rank = max(1, int((values > max(_RANK * values[-1], np.finfo(float).tiny)).sum()))
    vectors = vectors[:, ::-1][:, :rank]
    if p <= n:
        return np.asarray(vectors)
    axes = centered.T @ vectors
    return np.asarray(axes / np.maximum(np.linalg.norm(axes, axis=0), np.finfo(float).tiny))
