"""Centered log-ratio of the counts of antibody-derived tags."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from jamie.core.data import Matrix
from jamie.core.interfaces import Preprocessor
from jamie.preprocess.counts import checked_features, counted_state, require_counts
from jamie.preprocess.feature_statistics import map_rows

log = logging.getLogger(__name__)


class CLR(Preprocessor):
    """Centered log-ratio of each cell, as for the proteins of CITE-seq: log(1 + x) less its mean over the features.

    Where some features were not measured in all cells, the mean is over the others. The matrix becomes dense. What the
    cell's mean was is not kept: the inverse adds that of a typical training cell (the mean of their means), or as much
    more as it takes for no count to be negative, and takes the exponential. It is the original for cells of that mean,
    and for those of a larger one that lack some feature.
    """

    name: ClassVar[str] = "clr"
    references: ClassVar[tuple[str, ...]] = ("10.1038/nmeth.4380",)
    expects_counts: ClassVar[bool] = True
    tolerates_nan: ClassVar[bool] = True

    def _fit(self, X: Matrix, cells: pd.DataFrame) -> None:
        self.counted = checked_features(X, cells, self.name, log)
        self.typical_mean = float(map_rows(X, 1, self._mean_log).mean(dtype=np.float64))

    def _transform(self, X: Matrix, cells: pd.DataFrame) -> Matrix:
        require_counts(X, cells, self.name)
        return map_rows(X, X.shape[1], lambda block: np.log1p(block) - self._mean_log(block))

    def _inverse_transform(self, Z: Matrix, cells: pd.DataFrame | None) -> Matrix:
        def counts(block: NDArray[Any]) -> NDArray[Any]:
            lift = np.maximum(self.typical_mean, -block.min(axis=1, keepdims=True))
            return np.expm1(block + lift)

        return map_rows(Z, Z.shape[1], counts)

    def as_module(self) -> nn.Module:
        return _CLRModule(self.counted)

    def inverse_as_module(self) -> nn.Module:
        return _InverseCLRModule(self.typical_mean)

    def _state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        return counted_state(self.counted), {"typical_mean": self.typical_mean}

    def _set_state(self, arrays: Mapping[str, NDArray[Any]], plain: Mapping[str, Any]) -> None:
        self.typical_mean, self.counted = plain["typical_mean"], arrays.get("counted")

    def _mean_log(self, block: NDArray[Any]) -> NDArray[Any]:
        """(n, 1) mean of log(1 + x) over the features measured in all cells."""
        if self.counted is None:
            return np.asarray(np.log1p(block).mean(axis=1, keepdims=True))
        return np.asarray(np.nanmean(np.log1p(block[:, self.counted]), axis=1, keepdims=True))


class _CLRModule(nn.Module):
    """x (n, p) -> log(1 + x) less its mean over the features `counted`, or all."""

    counted: Tensor | None

    def __init__(self, counted: NDArray[np.int64] | None = None) -> None:
        super().__init__()
        self.register_buffer("counted", None if counted is None else torch.as_tensor(counted))

    def forward(self, x: Tensor) -> Tensor:
        """Center each cell."""
        logs = torch.log1p(x)
        return logs - (logs if self.counted is None else logs[:, self.counted]).mean(dim=1, keepdim=True)


class _InverseCLRModule(nn.Module):
    """z (n, p) -> exp(z + lift) - 1, lifted as far as it takes for no count to be negative, and to the typical mean."""

    def __init__(self, typical_mean: float) -> None:
        super().__init__()
        self.typical_mean = typical_mean

    def forward(self, z: Tensor) -> Tensor:
        """Take the exponential."""
        lift = (-z.amin(dim=1, keepdim=True)).clamp(min=self.typical_mean)
        return torch.expm1(z + lift)
