"""Principal components."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, PositiveInt
from scipy import sparse

from jamie.core.affine import AffineModule
from jamie.core.data import Matrix
from jamie.core.errors import DataError
from jamie.core.interfaces import Preprocessor
from jamie.core.matrix import row_chunks
from jamie.preprocess.feature_statistics import map_rows
from jamie.preprocess.low_rank import LowRank, estimate_missing

if TYPE_CHECKING:
    from torch import nn

log = logging.getLogger(__name__)

_LARGEST_EXACT = 4000
_SMALLEST_SINGULAR_VALUE = 1e-7
_MIN_CELLS_PER_COMPONENT = 3  # training cells for each of the `min_components`


class PCA(Preprocessor):
    """Scores on the leading principal components, divided by one common factor unless they are whitened.

    With V (p, q) the components and m (p,) the mean of the training cells, Z = (X - m) V / f. The factor f makes the
    mean variance of the scores 1 on the training cells and keeps the components' relative weight, so that a squared
    error of the scores is one of the features, up to the variance that PCA drops.

    Parameters
    ----------
    n_components
        How many components; fewer, with a notice, where the training cells span fewer dimensions.
    scale
        ``common`` divides all scores by one factor, ``none`` leaves them in the units of the features.
    whitening
        Power w of its own standard deviation that each component is divided by before: at 0 the first components
        outweigh all others, at 1 all weigh the same.
    cells_per_component
        Training cells that there must be for each component; where there are fewer, so are the components.
    min_components
        How many components `cells_per_component` leaves where each has 3 training cells; 2 it leaves always. From few
        cells the leading components are learned worst, yet without them nothing is left to learn from.

    Notes
    -----
    Values not measured in some cells are estimated from the others by probabilistic principal components [1]_, fitted
    in turn with the components themselves.

    References
    ----------
    .. [1] Tipping and Bishop (1999), Probabilistic principal component analysis. 10.1111/1467-9868.00196
    """

    name: ClassVar[str] = "pca"
    references: ClassVar[tuple[str, ...]] = ("10.1098/rsta.2015.0202", "10.1111/1467-9868.00196")
    tolerates_nan: ClassVar[bool] = True
    low_rank: LowRank | None = None

    def __init__(
        self,
        *,
        n_components: PositiveInt = 512,
        scale: Literal["common", "none"] = "common",
        whitening: Annotated[float, Field(ge=0, le=1)] = 0.0,
        cells_per_component: PositiveInt | None = None,
        min_components: PositiveInt = 2,
    ) -> None:
        self.n_components = n_components
        self.scale = scale
        self.whitening = whitening
        self.cells_per_component = cells_per_component
        self.min_components = min_components

    @classmethod
    def test_params(cls) -> dict[str, Any]:
        return {"n_components": 5}

    def _fit(self, X: Matrix, cells: pd.DataFrame) -> None:
        n, p = X.shape
        if n < 2:
            raise DataError("expected at least 2 training cells, found 1", where="preprocessor 'pca'")
        wanted = self._wanted(n)
        possible = min(wanted, n - 1, p)
        X, self.low_rank = estimate_missing(X, lambda values: _decompose(values, possible))
        self.mean, components, singular_values = _decompose(X, possible)
        kept = max(1, int((singular_values > _SMALLEST_SINGULAR_VALUE * singular_values[0]).sum()))
        if wanted < self.n_components:
            log.info("pca: at most %d components for %d training cells", wanted, n)
        if kept < wanted:
            # fewer cells or features than components are expected; linearly dependent values are not
            level = logging.WARNING if kept < possible else logging.INFO
            message = "pca: %d components instead of %d, as many as %d training cells with %d features span"
            log.log(level, message, kept, wanted, n, p)
        self.components = np.ascontiguousarray(components[:kept])
        sd = singular_values[:kept] / np.sqrt(n)
        self.factor = sd**self.whitening
        spread = float(np.sqrt(np.mean((sd / self.factor) ** 2)))
        if self.scale == "common" and spread > 0:
            self.factor = self.factor * spread

    def _wanted(self, n_cells: int) -> int:
        """Return the number of components for a number of training cells."""
        if self.cells_per_component is None:
            return self.n_components
        at_least = max(min(self.min_components, n_cells // _MIN_CELLS_PER_COMPONENT), 2)
        return min(self.n_components, max(n_cells // self.cells_per_component, at_least))

    def _transform(self, X: Matrix, cells: pd.DataFrame) -> Matrix:
        A, b = self.affine()
        if self.low_rank is not None:
            X = self.low_rank.complete(X)
        if not sparse.issparse(X):
            return map_rows(X, len(b), lambda block: block @ A + b)
        scores = np.empty((X.shape[0], len(b)), np.float32)
        for rows in row_chunks(*scores.shape):  # never dense, however many features there are
            scores[rows] = X[rows] @ A + b
        return scores

    def _inverse_transform(self, Z: Matrix, cells: pd.DataFrame | None) -> Matrix:
        scores: Any = Z
        scores = (scores.toarray() if sparse.issparse(Z) else scores) * self.factor.astype(np.float32)
        values: NDArray[np.float32] = scores @ self.components.astype(
            np.float32
        )  # in the precision of Z: twice as fast
        values += self.mean.astype(np.float32)
        return values

    def restrict_inverse(self, columns: NDArray[np.int64]) -> tuple[PCA, None]:
        components = np.ascontiguousarray(self.components[:, columns])
        return self._copy_of(len(columns), components=components, mean=self.mean[columns]), None

    def _feature_names_out(self, features: pd.Index) -> pd.Index:
        return pd.Index([f"PC{i + 1}" for i in range(len(self.components))])

    def affine(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        A = self.components.T / self.factor
        return A, -self.mean @ A

    def inverse_as_module(self) -> nn.Module:
        return AffineModule(self.factor[:, None] * self.components, self.mean)

    def _state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        arrays = {"components": self.components, "mean": self.mean, "factor": self.factor}
        return arrays | (self.low_rank.state() if self.low_rank else {}), {}

    def _set_state(self, arrays: Mapping[str, NDArray[Any]], plain: Mapping[str, Any]) -> None:
        self.components, self.mean, self.factor = arrays["components"], arrays["mean"], arrays["factor"]
        self.low_rank = LowRank.from_state(arrays)


def _decompose(X: Matrix, k: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean (p,), components (k, p) and singular values (k,) of X (n, p), the same for the same X; k < n, k <= p."""
    from sklearn import decomposition

    dense = not sparse.issparse(X)
    values = X.astype(np.float64)
    # centred here: the covariance solver subtracts n m m^T, which loses digits where means dwarf the spread
    mean = values.mean(axis=0) if dense else np.zeros(X.shape[1])
    if dense:
        values -= mean
    solver = _solver(X.shape, k, dense)
    fitted = decomposition.PCA(k, svd_solver=solver, copy=False, random_state=0).fit(values)
    return mean + fitted.mean_, fitted.components_, fitted.singular_values_


def _solver(shape: tuple[int, ...], k: int, dense: bool) -> str:
    n, p = shape
    if k == p or (p <= 2 * n and p <= _LARGEST_EXACT):
        return "covariance_eigh"
    return "full" if dense and min(n, p) <= _LARGEST_EXACT else "arpack"
