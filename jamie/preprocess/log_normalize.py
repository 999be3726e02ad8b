"""Counts to logarithms of depth-normalised counts."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pydantic import PositiveFloat
from torch import Tensor, nn

from jamie.core.data import Matrix
from jamie.core.interfaces import Preprocessor
from jamie.preprocess.counts import (
    CountsOfLogs,
    TotalCount,
    checked_features,
    counted_state,
    counts_of_logs,
    log_of_counts,
    require_counts,
    typical_total,
)

log = logging.getLogger(__name__)


class LogNormalize(Preprocessor):
    """Counts divided by the cell's total, times a common total, and log(1 + x) of that.

    A cell without counts stays zero; sparse stays sparse. If some features were not measured in all cells, totals are
    of the others. The inverse takes the exponential and scales it to the median total of the training cells: its unit
    is the count in a typical cell. It is therefore the original only for cells of that total, and never negative.

    Parameters
    ----------
    target_sum
        The common total.
    """

    name: ClassVar[str] = "log_normalize"
    references: ClassVar[tuple[str, ...]] = ("10.1186/s13059-017-1382-0",)
    expects_counts: ClassVar[bool] = True
    tolerates_nan: ClassVar[bool] = True
    reads_blocks: ClassVar[bool] = True
    keeps_zeros: ClassVar[bool] = True

    def __init__(self, *, target_sum: PositiveFloat = 1e4) -> None:
        self.target_sum = target_sum

    def _fit(self, X: Matrix, cells: pd.DataFrame) -> None:
        self.counted = checked_features(X, cells, self.name, log)
        self.median_total = typical_total(X, self.counted)

    def _transform(self, X: Matrix, cells: pd.DataFrame) -> Matrix:
        require_counts(X, cells, self.name)
        return log_of_counts(X, self.target_sum, self.counted)

    def _inverse_transform(self, Z: Matrix, cells: pd.DataFrame | None) -> Matrix:
        return counts_of_logs(Z, self.median_total / self.target_sum)

    def restrict_inverse(self, columns: NDArray[np.int64]) -> tuple[LogNormalize, NDArray[np.int64]]:
        return self._copy_of(len(columns)), columns

    def as_module(self) -> nn.Module:
        return _LogNormalizeModule(self.target_sum, self.counted)

    def inverse_as_module(self) -> nn.Module:
        return CountsOfLogs(self.median_total / self.target_sum)

    def _state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        return counted_state(self.counted), {"median_total": self.median_total}

    def _set_state(self, arrays: Mapping[str, NDArray[Any]], plain: Mapping[str, Any]) -> None:
        self.median_total, self.counted = plain["median_total"], arrays.get("counted")


class _LogNormalizeModule(nn.Module):
    """x (n, p) -> log(1 + x / total * target_sum)."""

    def __init__(self, target_sum: float, counted: NDArray[np.int64] | None = None) -> None:
        super().__init__()
        self.target_sum = target_sum
        self.total = TotalCount(counted)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise each cell."""
        return torch.log1p(x * (self.target_sum / self.total(x)))
