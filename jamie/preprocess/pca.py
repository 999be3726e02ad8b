"""Principal components."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat, PositiveInt
from scipy import sparse

from jamie.core.affine import AffineModule
from jamie.core.data import Matrix
from jamie.core.errors import DataError
from jamie.core.interfaces import Preprocessor
from jamie.core.large_arrays import empty_array
from jamie.core.lazy_rows import LazyRows
from jamie.core.matrix import row_chunks
from jamie.preprocess.feature_statistics import map_rows, moments
from jamie.preprocess.low_rank import LowRank, estimate_missing
from jamie.preprocess.truncated_svd import truncated_svd

if TYPE_CHECKING:
    from torch import nn

log = logging.getLogger(__name__)

_LARGEST_EXACT = 4000
_MOST_OPERATIONS = 4e10  # of an exact decomposition of cells that are read lazily
_MOST_KRYLOV = 0.25  # of the dimensions: for more components an exact decomposition is cheaper
_SMALLEST_SINGULAR_VALUE = 1e-7


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
    components_per_sqrt_cell
        At most so many components for each square root of a training cell: from n cells no more than a number that
        grows as sqrt(n) are learned well. Null for no such limit.
    cells_per_component
        At least so many training cells for each component; null for no such limit. Not smooth in the number of cells,
        and severe where these are few: `components_per_sqrt_cell` was more accurate.
    select
        ``predictive`` lets the networks read fewer components, where this is the last step of `preprocess` and a
        cross-validation on known pairs finds that the trailing ones do not help to find partners in another modality;
        what is imputed keeps all. ``all`` does not ask.

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
    reads_blocks: ClassVar[bool] = True
    low_rank: LowRank | None = None
    spread: NDArray[np.float64] | None = None  # (q,) standard deviation of the training cells along each component
    n_stored: int = 0  # components that are found, if more than those of the scores, for `with_all_components`
    _all_components: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None

    def __init__(
        self,
        *,
        n_components: PositiveInt = 512,
        scale: Literal["common", "none"] = "common",
        whitening: Annotated[float, Field(ge=0, le=1)] = 0.0,
        components_per_sqrt_cell: PositiveFloat | None = None,
        cells_per_component: PositiveInt | None = None,
        select: Literal["all", "predictive"] = "all",
    ) -> None:
        self.n_components = n_components
        self.scale = scale
        self.whitening = whitening
        self.components_per_sqrt_cell = components_per_sqrt_cell
        self.cells_per_component = cells_per_component
        self.select = select

    @classmethod
    def test_params(cls) -> dict[str, Any]:
        return {"n_components": 5}

    def _fit(self, X: Matrix, cells: pd.DataFrame) -> None:
        n, p = X.shape
        if n < 2:
            raise DataError("expected at least 2 training cells, found 1", where="preprocessor 'pca'")
        wanted = self._wanted(n)
        possible = min(wanted, n - 1, p)
        if not isinstance(X, LazyRows):  # in which nothing is missing
            X, self.low_rank = estimate_missing(X, lambda values: _decompose(values, possible))
        self.mean, found, all_singular_values = _decompose(X, min(max(possible, self.n_stored), n - 1, p))
        components, singular_values = found[:possible], all_singular_values[:possible]
        kept = max(1, int((singular_values > _SMALLEST_SINGULAR_VALUE * singular_values[0]).sum()))
        if wanted < self.n_components:
            log.info("pca: at most %d components for %d training cells", wanted, n)
        if kept < wanted:
            # fewer cells or features than components are expected; linearly dependent values are not
            level = logging.WARNING if kept < possible else logging.INFO
            message = "pca: %d components instead of %d, as many as %d training cells with %d features span"
            log.log(level, message, kept, wanted, n, p)
        self._set_components(components[:kept], singular_values[:kept] / np.sqrt(n))
        if self.n_stored:
            spread = all_singular_values > _SMALLEST_SINGULAR_VALUE * all_singular_values[0]
            self._all_components = found[spread], all_singular_values[spread] / np.sqrt(n)

    def _set_components(self, components: NDArray[np.float64], sd: NDArray[np.float64]) -> None:
        """Take components (q, p), along which the training cells have standard deviations (q,)."""
        self.components, self.spread = np.ascontiguousarray(components), sd
        self.factor = sd**self.whitening
        self.factor = self.factor * self._common_factor(sd / self.factor)
        self.unwhitening = self.factor / self._common_factor(sd) if self.whitening else None

    def _common_factor(self, sd: NDArray[np.float64]) -> float:
        """Return what scores of standard deviations (q,) are divided by in common."""
        spread = float(np.sqrt(np.mean(sd**2)))
        return spread if self.scale == "common" and spread > 0 else 1.0

    def leading(self, k: int) -> tuple[PCA, float]:
        """Return the fitted step with its first k components alone, and what it divides their scores by in addition."""
        variance = 1.0 if self.spread is None else float(np.mean((self.spread[:k] / self.factor[:k]) ** 2))
        divisor = float(np.sqrt(variance)) if self.scale == "common" and variance > 0 else 1.0
        fewer = self._copy_of(
            self.n_features_in or 0,
            components=np.ascontiguousarray(self.components[:k]),
            factor=self.factor[:k] * divisor,
            unwhitening=None if self.unwhitening is None else self.unwhitening[:k] * divisor,
        )
        return fewer, divisor

    def with_all_components(self) -> PCA:
        """Return the fitted step with all components that were found, up to `n_stored`, and no whitening.

        Raises
        ------
        ContractError
            If `n_stored` was 0 when it was fitted.
        """
        if self._all_components is None:
            raise self._contract_error("fitted without further components", "set n_stored before fit")
        step = PCA(n_components=self.n_stored, scale=self.scale)._copy_of(
            self.n_features_in or 0, mean=self.mean, low_rank=self.low_rank, expects_nan=self.expects_nan
        )
        step._set_components(*self._all_components)
        return step

    def _wanted(self, n_cells: int) -> int:
        """Return the number of components for a number of training cells."""
        wanted = self.n_components
        if self.components_per_sqrt_cell is not None:
            wanted = min(wanted, max(2, round(self.components_per_sqrt_cell * n_cells**0.5)))
        if self.cells_per_component is not None:
            wanted = min(wanted, max(2, n_cells // self.cells_per_component))
        return wanted

    def _transform(self, X: Matrix, cells: pd.DataFrame) -> Matrix:
        A, b = self.affine()
        if isinstance(X, LazyRows):
            scores = X.times(A)
            scores += b.astype(np.float32)
            return scores
        if self.low_rank is not None:
            X = self.low_rank.complete(X)
        if not sparse.issparse(X):
            return map_rows(X, len(b), lambda block: block @ A + b)
        scores = empty_array((X.shape[0], len(b)))
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

    if isinstance(X, LazyRows):
        if _is_large(X.shape, k):
            mean = moments(X)[0]
            return mean, *truncated_svd(X, mean, k)
        X = X.collect()
    dense = not sparse.issparse(X)
    values = X.astype(np.float64)
    # centred here: the covariance solver subtracts n m m^T, which loses digits where means dwarf the spread
    mean = values.mean(axis=0) if dense else np.zeros(X.shape[1])
    if dense:
        values -= mean
    solver = _solver(X.shape, k, dense)
    fitted = decomposition.PCA(k, svd_solver=solver, copy=False, random_state=0).fit(values)
    return mean + fitted.mean_, fitted.components_, fitted.singular_values_


def _is_large(shape: tuple[int, ...], k: int) -> bool:
    n, p = shape
    return float(n) * p * min(n, p) > _MOST_OPERATIONS and k < _MOST_KRYLOV * min(n, p)


def _solver(shape: tuple[int, ...], k: int, dense: bool) -> str:
    n, p = shape
    if k == p or (p <= 2 * n and p <= _LARGEST_EXACT):
        return "covariance_eigh"
    return "full" if dense and min(n, p) <= _LARGEST_EXACT else "arpack"
