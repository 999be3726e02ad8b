"""Accessibility counts weighed by how rare a region is."""

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
from jamie.core.matrix import missing_counts, positive_counts
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


class TFIDF(Preprocessor):
    """Counts as term frequency times inverse document frequency, and log(1 + x) of that; before pca, this is LSI.

    ``log(1 + scale TF IDF)`` with TF the count over the cell's total and ``IDF = log(1 + n / (1 + n_j))``, where n_j
    of the n training cells have feature j. A cell without counts stays zero; sparse stays sparse. The inverse takes
    the exponential, divides by IDF and scales to the median total of the training cells: its unit is the count in a
    typical cell, as that of log_normalize, and it is never negative.

    Parameters
    ----------
    scale
        The common factor.
    """

    name: ClassVar[str] = "tfidf"
    references: ClassVar[tuple[str, ...]] = ("10.1016/j.cell.2018.06.052", "10.1038/s41592-021-01282-5")
    expects_counts: ClassVar[bool] = True
    tolerates_nan: ClassVar[bool] = True
    reads_blocks: ClassVar[bool] = True
    keeps_zeros: ClassVar[bool] = True

    def __init__(self, *, scale: PositiveFloat = 1e4) -> None:
        self.scale = scale

    def _fit(self, X: Matrix, cells: pd.DataFrame) -> None:
        self.counted = checked_features(X, cells, self.name, log)
        self.median_total = typical_total(X, self.counted)
        n_with = positive_counts(X)
        n = X.shape[0] if self.counted is None else X.shape[0] - missing_counts(X)
        self.idf = np.log1p(n / (1 + n_with))

    def _transform(self, X: Matrix, cells: pd.DataFrame) -> Matrix:
        require_counts(X, cells, self.name)
        return log_of_counts(X, self.scale, self.counted, self.idf)

    def _inverse_transform(self, Z: Matrix, cells: pd.DataFrame | None) -> Matrix:
        return counts_of_logs(Z, self.median_total / (self.scale * self.idf))

    def restrict_inverse(self, columns: NDArray[np.int64]) -> tuple[TFIDF, NDArray[np.int64]]:
        return self._copy_of(len(columns), idf=self.idf[columns]), columns

    def as_module(self) -> nn.Module:
        return _TFIDFModule(self.scale * self.idf, self.counted)

    def inverse_as_module(self) -> nn.Module:
        return CountsOfLogs(self.median_total / (self.scale * self.idf))

    def _state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        return {"idf": self.idf, **counted_state(self.counted)}, {"median_total": self.median_total}

    def _set_state(self, arrays: Mapping[str, NDArray[Any]], plain: Mapping[str, Any]) -> None:
        self.idf, self.median_total, self.counted = arrays["idf"], plain["median_total"], arrays.get("counted")


class _TFIDFModule(nn.Module):
    """x (n, p) -> log(1 + x / total * weight)."""

    weight: Tensor

    def __init__(self, weight: NDArray[np.float64], counted: NDArray[np.int64] | None = None) -> None:
        super().__init__()
        self.total = TotalCount(counted)
        self.register_buffer("weight", torch.as_tensor(weight, dtype=torch.float32))

    def forward(self, x: Tensor) -> Tensor:
        """Weigh the counts of each cell."""
        return torch.log1p(x / self.total(x) * self.weight)
