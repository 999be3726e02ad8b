"""Split conformal calibration of imputed values, all features at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.data import Matrix
from jamie.core.matrix import column_range, row_chunks, stored_values
from jamie.trust.calibration import Calibration, expected_residual

SHRINKAGE = 20  # the slope that n residuals suggest counts n / (n + 20) of itself
GAIN = 0.05  # part of the width that an uneven split must save: the least of many widths is project_measured chance
_SPLITS = 10  # ways in which what may lie outside an interval is divided among its two sides
_ENTRIES = 2**20  # of a block of features; in double precision 8 MiB, some ten of which are held at a time

Doubles: TypeAlias = NDArray[np.float64]


def support_of(X: Matrix) -> tuple[float, float]:
    """Bounds that the values (n, p) of a whole modality suggest.

    From 0 where none is negative, such as counts and their logarithms; from 0 to 1 where there are only these two;
    else none.
    """
    low, high = (float(f(bound)) for f, bound in zip((np.nanmin, np.nanmax), column_range(X), strict=True))
    if low < 0:
        return -np.inf, np.inf
    values = stored_values(X)
    whole = high == 1 and all(
        (np.isin(values[rows], (0, 1)) | np.isnan(values[rows])).all() for rows in row_chunks(len(values), 1)
    )
    return 0.0, 1.0 if whole else np.inf


def calibrate(
    predicted: NDArray[np.floating],
    measured: Matrix,
    *,
    level: float = 0.9,
    support: tuple[float, float] = (-np.inf, np.inf),
    variance: NDArray[np.floating] | None = None,
) -> Calibration:
    """Calibrate predictions on cells that the predictor was not fitted on (split conformal prediction, [1]_).

    Of the n residuals of a feature, in units of the residual that is to be expected at the prediction ([2]_), those
    between the l-th from below and the u-th from above make the interval, ``l + u = floor((n + 1) (1 - level))``. A new
    value then lies inside with probability ``1 - (l + u) / (n + 1)``, or more where values are tied. Of eleven ways to
    divide the outside among the two sides the one is taken that gives the least mean width once intervals are cut to
    the support, unless that saves little: the intervals of skewed features become shorter. Where fewer than two may lie
    outside, and there is no support to stand in for a bound, absolute residuals are taken.

    Parameters
    ----------
    predicted, measured : (n, p)
        Of the calibration cells, in units; a measured NaN is a value that was not measured.
    level
        Part of the values that the intervals are to hold.
    support
        Lowest and highest value that there can be, as `support_of`.
    variance : (n, p)
        Of the predictions of all members and posterior samples; none where there is but one prediction.

    References
    ----------
    .. [1] Vovk, Gammerman and Shafer (2005), Algorithmic learning in a random world. 10.1007/b106715
    .. [2] Lei et al. (2018), Distribution-free predictive inference for regression. 10.1080/01621459.2017.1307116
    """
    parts = []
    for at in _feature_blocks(*predicted.shape):
        y = _dense(measured[:, at])
        v = np.zeros_like(y) if variance is None else variance[:, at].astype(np.float64)
        parts.append(_calibrated(_Residuals.of(predicted[:, at].astype(np.float64), y, support), v, level))
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    n = joined.pop("n").astype(np.int32)
    return Calibration(level, support, n, **{name: values.astype(np.float32) for name, values in joined.items()})


@dataclass(frozen=True)
class _Residuals:
    """Residuals of some features, NaN where a value was not measured.

    Parameters
    ----------
    predicted, measured, x, residual : (n, w)
        `x` is the prediction cut to the support; the residual is the measured value less that.
    n : (w,)
        Values measured.
    support
        Lowest and highest value.
    """

    predicted: Doubles
    measured: Doubles
    x: Doubles
    residual: Doubles
    n: NDArray[np.int64]
    support: tuple[float, float]

    @classmethod
    def of(cls, predicted: Doubles, measured: Doubles, support: tuple[float, float]) -> _Residuals:
        x = np.clip(predicted, *support)
        return cls(predicted, measured, x, measured - x, np.isfinite(measured).sum(axis=0), support)

    def mean(self, values: Doubles) -> Doubles:
        """Mean over the values measured; 0 where there are none."""
        total = np.where(np.isfinite(self.residual), values, 0).sum(axis=0)
        return np.asarray(total / np.maximum(self.n, 1))


def _calibrated(given: _Residuals, variance: Doubles, level: float) -> dict[str, NDArray[Any]]:
    size = np.abs(given.residual)
    center, scale = given.mean(given.x), given.mean(size)
    spread = given.mean((given.x - center) ** 2)
    slope = _ratio(given.mean((given.x - center) * (size - scale)), spread) * given.n / (given.n + SHRINKAGE)
    s = expected_residual(given.x, center, scale, slope)
    lower, upper = _bounds(given, s, np.floor((given.n + 1) * (1 - level) + 1e-9).astype(np.int64))
    squares, explained = given.mean(given.residual**2), given.mean(variance)
    share = np.minimum(1, np.where(explained > 0, _ratio(squares, explained), 1))
    noise = np.sqrt(np.maximum(_ratio(squares - share * explained, given.mean(s**2)), 0))
    return {
        "n": given.n,
        "center": center,
        "scale": scale,
        "slope": slope,
        "lower": lower,
        "upper": upper,
        "noise": noise,
        "share": share,
        "imputability": _correlation(given),
    }


def _bounds(given: _Residuals, s: Doubles, outside: NDArray[np.int64]) -> tuple[Doubles, Doubles]:
    """Bounds (w,) in units of s (n, w), outside of which so many (w,) of the residuals may lie."""
    low, high = given.support
    units = np.sort(given.residual / s, axis=0)  # NaN comes last
    size = np.sort(np.abs(given.residual / s), axis=0)
    # to begin with, bounds alike on both sides
    upper = _order_statistic(size, given.n + 1 - outside, given.n)
    lower, least = -upper, np.full(len(outside), np.inf)
    even_first = sorted(range(_SPLITS + 1), key=lambda i: abs(2 * i - _SPLITS))
    for i in even_first:
        # without a support each side needs a residual to end at
        below = np.clip(np.rint(i * outside / _SPLITS).astype(np.int64), low == -np.inf, outside - (high == np.inf))
        above = outside - below
        a = _order_statistic(units, below, given.n)
        b = _order_statistic(units, given.n + 1 - above, given.n)
        with np.errstate(invalid="ignore"):  # without any residual both bounds are infinite
            width = given.mean(np.minimum(given.x + b * s, high) - np.maximum(given.x + a * s, low))
        shorter = np.isfinite(width) & (width < least)
        width *= 1 - GAIN * (i == even_first[0])
        lower, upper, least = (np.where(shorter, new, old) for new, old in ((a, lower), (b, upper), (width, least)))
    return lower, upper


def _order_statistic(ordered: Doubles, rank: NDArray[np.int64], n: NDArray[np.int64]) -> Doubles:
    """Value (w,) of each column of that rank, counted from 1; infinite where there is none of it."""
    rows = np.clip(rank - 1, 0, len(ordered) - 1)
    found = np.take_along_axis(ordered, rows[None, :], axis=0)[0]
    return np.where(rank < 1, -np.inf, np.where(rank > n, np.inf, found))


def _correlation(given: _Residuals) -> Doubles:
    """Pearson correlation (w,) of predicted and measured values; 0 where predicted, NaN where measured is constant."""
    known = np.isfinite(given.residual)
    a, b = (np.where(known, values - given.mean(values), 0) for values in (given.measured, given.predicted))
    squares = [np.einsum("ij,ij->j", values, values) for values in (a, b)]
    low, high = np.fmin.reduce(given.measured, axis=0), np.fmax.reduce(given.measured, axis=0)
    varies = (high > low) & (given.n > 1)
    found = _ratio(np.einsum("ij,ij->j", a, b), np.sqrt(squares[0]) * np.sqrt(squares[1]))
    return np.where(varies, np.clip(found, -1, 1), np.nan)


def _ratio(above: Doubles, below: Doubles) -> Doubles:
    """Quotient; 0 where it is of 0."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def _feature_blocks(n: int, p: int) -> Iterator[slice]:
    width = max(1, _ENTRIES // max(n, 1))
    return (slice(start, start + width) for start in range(0, p, width))


def _dense(X: Any) -> Doubles:
    return np.asarray(X.toarray() if sparse.issparse(X) else X, dtype=np.float64)
