"""How values imputed from several modalities at once are weighed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from jamie.core.prefixes import add_prefix, select_prefix
from jamie.trust.calibration import Calibration

PRIOR_CELLS = 3.0  # that equal weights count as, beside the cells that the weights are fitted on

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class SourceWeights:
    r"""Weights of k sources from which a modality is imputed together, and the calibration of the result.

    .. math:: x = center + \sum_s w_s (x_s - center)

    with x_s imputed from source s alone. Weights are not negative, and may sum to more than 1: what sources know
    of different parts of the target adds up.

    Parameters
    ----------
    weights : (k,)
        Of each source.
    center : (t,)
        Mean of the target over the cells that the weights were fitted on, preprocessed.
    n_cells
        Number of these cells.
    calibration
        Of the combined values; None if there were too few cells.
    """

    weights: NDArray[np.float64]
    center: Floats
    n_cells: int = 0
    calibration: Calibration | None = None

    @classmethod
    def equal(cls, n_sources: int, n_targets: int) -> Self:
        """Return the plain mean of sources, for which there are no cells to fit weights on."""
        return cls(np.full(n_sources, 1 / n_sources), np.zeros(n_targets, np.float32))

    def combine(self, imputed: Sequence[NDArray[np.floating]]) -> Floats:
        """Preprocessed values (n, t), from those of each source alone."""
        total = np.zeros_like(imputed[0], dtype=np.float32)
        for weight, values in zip(self.weights, imputed, strict=True):
            if weight > 0:
                total += np.float32(weight) * (values - self.center)
        return total + self.center

    def state(self) -> dict[str, NDArray[Any]]:
        """Arrays for `from_state`."""
        calibration = {} if self.calibration is None else add_prefix("calibration", self.calibration.state())
        return {"weights": self.weights, "center": self.center, "n_cells": np.array([self.n_cells]), **calibration}

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Restore the result of `state`."""
        calibration = select_prefix("calibration", arrays)
        return cls(
            arrays["weights"],
            arrays["center"],
            int(arrays["n_cells"].item()),
            Calibration.from_state(calibration) if calibration else None,
        )


def fit_weights(
    imputed: Sequence[NDArray[np.floating]], measured: NDArray[np.floating], *, at_most: float = np.inf
) -> SourceWeights:
    """Fit one weight a source by least squares, not negative and shrunk toward equal ones.

    Parameters
    ----------
    imputed
        Preprocessed values (n, t) from each source, of cells that the predictors were not fitted on.
    measured : (n, t)
        The preprocessed target of these cells.
    at_most
        Largest sum of the weights: 1 keeps the values between those of the sources.
    """
    k, n = len(imputed), len(measured)
    center = measured.mean(axis=0, dtype=np.float64).astype(np.float32)
    deviations, target = [values - center for values in imputed], measured - center
    products = np.array([[_mean_product(a, b) for b in deviations] for a in deviations])
    prior = max(PRIOR_CELLS / n * np.trace(products) / k, np.finfo(np.float64).tiny)
    root = np.linalg.cholesky(products + prior * np.eye(k))
    moments = np.array([_mean_product(a, target) for a in deviations]) + prior / k
    weights, _ = nnls(root.T, np.linalg.solve(root, moments))
    return SourceWeights(weights * (at_most / weights.sum() if weights.sum() > at_most else 1), center, n)


def _mean_product(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Scalar product of values (n, t), a mean over cells."""
    return float(np.einsum("ij,ij->", a, b, dtype=np.float64)) / len(a)
