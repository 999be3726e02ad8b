"""Intervals and standard deviations of imputed values, from residuals of cells that the predictor was not fitted on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

LEAST_SPREAD = 0.2  # of a feature's mean absolute residual: lower bound of the expected residual of any prediction

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Calibration:
    r"""Calibration of the predictions of p features of one modality from another, in units of the target.

    With x a predicted value, cut to the support, a value is expected in

    .. math:: [x + lower \cdot s(x),\; x + upper \cdot s(x)], \quad s(x) = \max(scale + slope (x - center), 0.2\, scale)

    where s is the expected absolute residual, `lower` and `upper` are order statistics of the residuals in units of
    s. The interval is cut to the support as well.

    Parameters
    ----------
    level
        Nominal coverage of the intervals of each feature.
    support
        Lowest and highest possible value; infinite if there is no bound.
    n : (p,)
        Residuals of each feature.
    center, scale, slope : (p,)
        Of s.
    lower, upper : (p,)
        Bounds in units of s, infinite if there are too few residuals, or if the support is the bound.
    noise : (p,)
        Standard deviation, in units of s, that the variance of the predictions does not explain.
    share : (p,)
        Fraction of the variance of the predictions that agrees with the residuals, at most 1.
    imputability : (p,)
        Correlation of predicted and measured values; NaN where these are constant.
    """

    level: float
    support: tuple[float, float]
    n: NDArray[np.int32]
    center: Floats
    scale: Floats
    slope: Floats
    lower: Floats
    upper: Floats
    noise: Floats
    share: Floats
    imputability: Floats

    def intervals(self, mean: NDArray[np.floating]) -> tuple[Floats, Floats]:
        """Lower and upper bounds (n, p) of values that are predicted as `mean` (n, p)."""
        x = np.clip(mean, *self.support, dtype=np.float32)
        s = self._expected(x)
        return tuple(np.clip(x + bound * s, *self.support, dtype=np.float32) for bound in (self.lower, self.upper))

    def sd(self, mean: NDArray[np.floating], variance: NDArray[np.floating] | None = None) -> Floats:
        """Return standard deviations (n, p) of values predicted as `mean`, by the law of total variance.

        Parameters
        ----------
        mean, variance : (n, p)
            Of the predictions of all members and posterior samples; without the variance, that of the noise alone.
        """
        noise = self.noise * self._expected(np.clip(mean, *self.support, dtype=np.float32))
        return noise if variance is None else np.sqrt(noise**2 + self.share * variance, dtype=np.float32)

    def subset(self, features: NDArray[np.int64]) -> Self:
        """Keep the given features (indices), in the given order."""
        return replace(self, **{name: getattr(self, name)[features] for name in _ARRAYS})

    def state(self) -> dict[str, NDArray[Any]]:
        """Arrays for `from_state`."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        return arrays | {"level": np.array([self.level]), "support": np.array(self.support)}

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Restore the result of `state`."""
        low, high = arrays["support"].tolist()
        return cls(arrays["level"].item(), (low, high), **{name: arrays[name] for name in _ARRAYS})

    def _expected(self, x: Floats) -> Floats:
        return expected_residual(x, self.center, self.scale, self.slope)


_ARRAYS = tuple(field.name for field in fields(Calibration) if field.name not in ("level", "support"))


def expected_residual(x: NDArray[Any], center: NDArray[Any], scale: NDArray[Any], slope: NDArray[Any]) -> NDArray[Any]:
    """s(x) of `Calibration` (n, p); above 0 also for a feature without residuals, whose bounds stay infinite."""
    least = np.maximum(LEAST_SPREAD * scale, np.finfo(np.float32).tiny)
    return np.maximum(scale + slope * (x - center), least)
