"""Features of mean 0 and standard deviation 1."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.affine import AffineModule
from jamie.core.data import Matrix
from jamie.core.interfaces import Preprocessor
from jamie.core.lazy_rows import LazyRows, with_values
from jamie.preprocess.feature_statistics import map_rows, moments

if TYPE_CHECKING:
    from torch import nn

log = logging.getLogger(__name__)


class Standardize(Preprocessor):
    """Each feature less its mean, divided by its standard deviation.

    Statistics are those of the training cells, the standard deviation that of the population. Sparse training cells
    are scaled but not centred, so that sparse stays sparse; other cells, dense or sparse, then get the same.
    A feature without spread is not scaled.
    """

    name: ClassVar[str] = "standardize"
    tolerates_nan: ClassVar[bool] = True
    reads_blocks: ClassVar[bool] = True
    keeps_zeros: ClassVar[bool] = True

    def _fit(self, X: Matrix, cells: pd.DataFrame) -> None:
        mean, variance = moments(X)
        sd = np.sqrt(variance)
        self.sd = np.where(sd > 1e-12 * np.abs(mean), sd, 1.0)
        self.centred = not (sparse.issparse(X) or isinstance(X, LazyRows))
        self.mean = mean if self.centred else np.zeros_like(mean)
        if not self.centred:
            log.info("standardize: the matrix is sparse, so its features are scaled but not centred")

    def _transform(self, X: Matrix, cells: pd.DataFrame) -> Matrix:
        if sparse.issparse(X) and not self.centred:
            counts: Any = X
            return with_values(X, counts.data * (1 / self.sd).astype(np.float32).take(counts.indices, mode="clip"))
        return map_rows(X, X.shape[1], lambda block: (block - self.mean) / self.sd)

    def _inverse_transform(self, Z: Matrix, cells: pd.DataFrame | None) -> Matrix:
        if sparse.issparse(Z) and not self.centred:
            return sparse.csr_array(Z * self.sd)
        return map_rows(Z, Z.shape[1], lambda block: block * self.sd + self.mean)

    def restrict_inverse(self, columns: NDArray[np.int64]) -> tuple[Standardize, NDArray[np.int64]]:
        return self._copy_of(len(columns), mean=self.mean[columns], sd=self.sd[columns]), columns

    def affine(self) -> tuple[sparse.csr_array, NDArray[np.float64]]:
        return sparse.csr_array(sparse.diags_array(1 / self.sd)), -self.mean / self.sd

    def inverse_as_module(self) -> nn.Module:
        return AffineModule(sparse.csr_array(sparse.diags_array(self.sd)), self.mean)

    def _state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        return {"mean": self.mean, "sd": self.sd}, {"centred": self.centred}

    def _set_state(self, arrays: Mapping[str, NDArray[Any]], plain: Mapping[str, Any]) -> None:
        self.mean, self.sd, self.centred = arrays["mean"], arrays["sd"], plain["centred"]
