"""The most variable features."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import PositiveInt
from scipy import sparse

from jamie.core.data import Matrix
from jamie.core.interfaces import Preprocessor
from jamie.core.lazy_rows import LazyRows
from jamie.preprocess.feature_statistics import moments
from jamie.preprocess.selection import PlaceColumns, SelectColumns, place_columns, selection_matrix

if TYPE_CHECKING:
    from torch import nn

log = logging.getLogger(__name__)


class SelectFeatures(Preprocessor):
    """The features of largest variance over the training cells, in their original order.

    The variance is that of the values which reach this step: put it after log_normalize for counts, and before
    standardize, which makes all variances equal. On the way out, the features left out come back as their mean over
    the training cells.

    Parameters
    ----------
    n_features
        How many; all, with a notice, where there are fewer.
    """

    name: ClassVar[str] = "select_features"
    selects_features: ClassVar[bool] = True
    tolerates_nan: ClassVar[bool] = True
    reads_blocks: ClassVar[bool] = True

    def __init__(self, *, n_features: PositiveInt = 2000) -> None:
        self.n_features = n_features

    @classmethod
    def test_params(cls) -> dict[str, Any]:
        return {"n_features": 5}

    def _fit(self, X: Matrix, cells: pd.DataFrame) -> None:
        self.mean, variance = moments(X)
        variance = np.nan_to_num(variance)
        p = len(variance)
        if p < self.n_features:
            log.warning("select_features: all %d features instead of %d", p, self.n_features)
        most_variable = np.argsort(-variance, kind="stable")[: self.n_features]
        self.index = np.sort(most_variable).astype(np.int64)

    def _transform(self, X: Matrix, cells: pd.DataFrame) -> Matrix:
        return X.collect(self.index) if isinstance(X, LazyRows) else X[:, self.index]

    def _inverse_transform(self, Z: Matrix, cells: pd.DataFrame | None) -> Matrix:
        return place_columns(Z, self.index, self.mean)

    def restrict_inverse(self, columns: NDArray[np.int64]) -> tuple[SelectFeatures, NDArray[np.int64]]:
        position = pd.Index(self.index).get_indexer(pd.Index(columns))
        chosen = np.flatnonzero(position >= 0)
        return self._copy_of(len(columns), index=chosen, mean=self.mean[columns]), position[chosen]

    def _feature_names_out(self, features: pd.Index) -> pd.Index:
        return features[self.index]

    def affine(self) -> tuple[sparse.csr_array, NDArray[np.float64]]:
        return selection_matrix(self.index, len(self.mean)), np.zeros(len(self.index))

    def as_module(self) -> nn.Module:
        return SelectColumns(self.index)

    def inverse_as_module(self) -> nn.Module:
        return PlaceColumns(self.index, self.mean)

    def _state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        return {"index": self.index, "mean": self.mean}, {}

    def _set_state(self, arrays: Mapping[str, NDArray[Any]], plain: Mapping[str, Any]) -> None:
        self.index, self.mean = arrays["index"], arrays["mean"]
