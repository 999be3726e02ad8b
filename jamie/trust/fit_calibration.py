"""Split conformal calibration of imputed values, all features at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.data import Matrix
from jamie.core.lazy_rows import LazyRows
from jamie.core.matrix import column_range, value_chunks
from jamie.trust.calibration import Calibration, expected_residual

SHRINKAGE = 20  # the slope of n residuals is multiplied by n / (n + 20)
GAIN = 0.05  # fraction of the width that an asymmetric interval must save: the smallest of many widths is partly chance
_SPLITS = 10  # steps in which the residuals outside an interval are divided between its two sides
_ENTRIES = 2**20  # of a block of features; in double precision 8 MiB, about ten of which are held at a time

Doubles: TypeAlias = NDArray[np.float64]


def support_of(X: Matrix | LazyRows) -> tuple[float, float]:
    """Bounds that the values (n, p) of a whole modality suggest.

    From 0 if no value is negative, such as counts and their logarithms; from 0 to 1 if there are only these two values;
    otherwise none.
    """
    low, high = (float(f(bound)) for f, bound in zip((np.nanmin, np.nanmax), column_range(X), strict=True))
    if low < 0:
        return -np.inf, np.inf
    whole = high == 1 and all((np.isin(values, (0, 1)) | np.isnan(values)).all() for values in value_chunks(X))
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

    The residuals of a feature are divided by the expected residual at the prediction ([2]_). The interval extends from
    the l-th of these n values from below to the u-th from above, with ``l + u = floor((n + 1) (1 - level))``. A new
    value then lies inside with probability ``1 - (l + u) / (n + 1)``, or more where values are tied. Eleven ways to
    divide l + u between the two sides are compared, and the one with the smallest mean width, after intervals are cut
    to the support, is chosen, unless it saves little: the intervals of skewed features become shorter. If fewer than
    two values may lie outside, and the support gives no bound, absolute residuals are used.

    Parameters
    ----------
    predicted, measured : (n, p)
        Of the calibration cells, in units; a measured NaN is a value that was not measured.
    level
        Nominal coverage.
    support
        Lowest and highest possible value, as `support_of`.
    variance : (n, p)
        Of the predictions over all members and posterior samples; None for a single prediction.

    References
    ----------
    .. [1] Vovk, Gammerman and Shafer (2005), Algorithmic learning in a random world. 10.1007/b106715
    .. [2] Lei et al. (2018), Distribution-free predictive inference for regression. 10.1080/01621459.2017.1307116
    """
    parts = []
    n_cells, n_features = predicted.shape
    width = max(1, _ENTRIES // max(n_cells, 1))
    for start in range(0, n_features, width):
        columns = slice(start, start + width)
        y = _to_double(measured[:, columns])
        v = np.zeros_like(y) if variance is None else _to_double(variance[:, columns])
        parts.append(_calibrate_features(_Residuals(_to_double(predicted[:, columns]), y, support), v, level))
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    n = joined.pop("n").astype(np.int32)
    return Calibration(level, support, n, **{name: values.astype(np.float32) for name, values in joined.items()})


@dataclass(frozen=True)
class _Residuals:
    """Residuals of a chunk of features, NaN where a value was not measured.

    Parameters
    ----------
    predicted, measured : (n, w)
        Values.
    support
        Lowest and highest value.
    """

    predicted: Doubles
    measured: Doubles
    support: tuple[float, float]

    @cached_property
    def x(self) -> Doubles:
        """Prediction (n, w) cut to the support."""
        return np.clip(self.predicted, *self.support)

    @cached_property
    def residual(self) -> Doubles:
        """Measured value (n, w) less `x`."""
        return self.measured - self.x

    @cached_property
    def n(self) -> NDArray[np.int64]:
        """Number (w,) of measured values."""
        return np.isfinite(self.measured).sum(axis=0)

    def mean(self, values: Doubles) -> Doubles:
        """Mean over the measured values; 0 if there are none."""
        total = np.where(np.isfinite(self.residual), values, 0).sum(axis=0)
        return np.asarray(total / np.maximum(self.n, 1))


def _calibrate_features(given: _Residuals, variance: Doubles, level: float) -> dict[str, NDArray[Any]]:
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
    """Bounds (w,) in units of s (n, w); `outside` (w,) is the number of residuals that may lie outside of them."""
    low, high = given.support
    units = np.sort(given.residual / s, axis=0)  # NaN comes last
    size = np.sort(np.abs(given.residual / s), axis=0)
    # first, symmetric bounds
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
    """Value (w,) of each column of that rank, counted from 1; infinite if the column has no such rank."""
    rows = np.clip(rank - 1, 0, len(ordered) - 1)
    values = np.take_along_axis(ordered, rows[None, :], axis=0)[0]
    return np.where(rank < 1, -np.inf, np.where(rank > n, np.inf, values))


def _correlation(given: _Residuals) -> Doubles:
    """Pearson correlation (w,) of predicted and measured values; 0 where predicted, NaN where measured is constant."""
    known = np.isfinite(given.residual)
    a, b = (np.where(known, values - given.mean(values), 0) for values in (given.measured, given.predicted))
    squares = [np.einsum("ij,ij->j", values, values) for values in (a, b)]
    low, high = np.fmin.reduce(given.measured, axis=0), np.fmax.reduce(given.measured, axis=0)
    varies = (high > low) & (given.n > 1)
    correlation = _ratio(np.einsum("ij,ij->j", a, b), np.sqrt(squares[0]) * np.sqrt(squares[1]))
    return np.where(varies, np.clip(correlation, -1, 1), np.nan)


def _ratio(numerator: Doubles, denominator: Doubles) -> Doubles:
    """Quotient; 0 if the denominator is 0."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)


def _to_double(X: Any) -> Doubles:
    return np.asarray(X.toarray() if sparse.issparse(X) else X, dtype=np.float64)
