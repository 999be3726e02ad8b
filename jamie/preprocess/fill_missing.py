"""Filling of missing values (NaN)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor, nn

from jamie.core.data import Matrix
from jamie.core.interfaces import Preprocessor
from jamie.core.matrix import row_chunks
from jamie.core.panels import fill_nan

log = logging.getLogger(__name__)


class FillMissing(Preprocessor):
    """NaN replaced by one value for each feature, taken from the training cells.

    A feature that is NaN in all of them is filled with 0. The inverse is the identity: filled values stay.

    Parameters
    ----------
    strategy
        The value: the feature's ``median`` or ``mean`` over the training cells that have one, or ``zero``.
    """

    name: ClassVar[str] = "fill_missing"
    accepts_nan: ClassVar[bool] = True

    def __init__(self, *, strategy: Literal["median", "mean", "zero"] = "median") -> None:
        self.strategy = strategy

    def _fit(self, X: Matrix, cells: pd.DataFrame) -> None:
        p = X.shape[1]
        self.fill = np.zeros(p, np.float32)
        columns: Any = sparse.csc_array(X) if sparse.issparse(X) else X
        empty = 0
        for block in row_chunks(p, X.shape[0]):
            values = columns[:, block].toarray() if sparse.issparse(X) else columns[:, block]
            absent = np.isnan(values).all(axis=0)
            empty += int(absent.sum())
            self.fill[block][~absent] = self._typical(values[:, ~absent])
        if empty:
            log.warning("fill_missing: %d of %d features are NaN in all training cells and become 0", empty, p)

    def _typical(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        if self.strategy == "zero":
            return np.zeros(values.shape[1])
        average = np.nanmedian if self.strategy == "median" else np.nanmean
        return average(values.astype(np.float64), axis=0)

    def _transform(self, X: Matrix, cells: pd.DataFrame) -> Matrix:
        return fill_nan(X, self.fill)

    def _inverse_transform(self, Z: Matrix, cells: pd.DataFrame | None) -> Matrix:
        return Z

    def restrict_inverse(self, columns: NDArray[np.int64]) -> tuple[FillMissing, NDArray[np.int64]]:
        return self._copy_of(len(columns), fill=self.fill[columns]), columns

    def as_module(self) -> nn.Module:
        return _FillModule(self.fill)

    def inverse_as_module(self) -> nn.Module:
        return nn.Identity()

    def _state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        return {"fill": self.fill}, {}

    def _set_state(self, arrays: Mapping[str, NDArray[Any]], plain: Mapping[str, Any]) -> None:
        self.fill = arrays["fill"]


class _FillModule(nn.Module):
    """x (n, p) -> x, with the feature's value where it is NaN."""

    fill: Tensor

    def __init__(self, fill: NDArray[np.float32]) -> None:
        super().__init__()
        self.register_buffer("fill", torch.as_tensor(fill))

    def forward(self, x: Tensor) -> Tensor:
        """Fill."""
        return torch.where(torch.isnan(x), self.fill, x)
