"""Preprocessors: invertible transforms, fitted on training cells only."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.component import Component
from jamie.core.data import Matrix
from jamie.core.elements import Elements
from jamie.core.lazy_rows import LazyRows
from jamie.core.matrix import find_non_finite
from jamie.core.requirements import OBS, UNS, VAR, keys_of
from jamie.core.suggest import suggest_names

if TYPE_CHECKING:
    from torch import nn


class Preprocessor(Component):
    """Fits on training cells, transforms any cells, and inverts on the way out.

    A fitted preprocessor holds arrays and plain values only (`state`, `from_state`). The public methods check
    their input and output once; authors write `_fit`, `_transform`, `_inverse_transform`, `_feature_names_out`,
    `_state` and `_set_state`. Inputs are never modified.

    `cells` holds the columns of obs that `requires` names, and no others; new cells need them too. Annotations of the
    features are in `self.elements`, in `_fit` alone: what `_transform` needs of them belongs to the state.

    Examples
    --------
    >>> class Halve(Preprocessor):
    ...     '''Divides all values by 2.'''
    ...
    ...     name = "halve"
    ...
    ...     def _fit(self, X, cells):
    ...         pass
    ...
    ...     def _transform(self, X, cells):
    ...         return X / 2
    ...
    ...     def _inverse_transform(self, Z, cells):
    ...         return Z * 2
    ...
    ...     def _state(self):
    ...         return {}, {}
    ...
    ...     def _set_state(self, arrays, plain):
    ...         pass
    >>> X, cells = np.ones((2, 3), np.float32), pd.DataFrame(index=["cell1", "cell2"])
    >>> Halve().fit(X, cells).transform(X, cells)[0].tolist()
    [0.5, 0.5, 0.5]
    """

    kind: ClassVar[str] = "preprocessor"
    readable: ClassVar[frozenset[str]] = frozenset({OBS, UNS, VAR})
    accepts_nan: ClassVar[bool] = False  # fills in what is missing (NaN)
    tolerates_nan: ClassVar[bool] = False  # can be fitted without what was not measured; leaves it NaN or estimates it
    expects_counts: ClassVar[bool] = False  # made for raw counts, whose depth it takes out
    selects_features: ClassVar[bool] = False  # leaves out features, and changes no value of the others
    reads_blocks: ClassVar[bool] = False  # `_fit` and `_transform` take cells that are read lazily (`LazyRows`)
    keeps_zeros: ClassVar[bool] = False  # of sparse cells, changes the stored values alone, and none to another place
    n_features_in: int | None = None
    unwhitening: NDArray[np.float64] | None = None  # (d,) what undoes whitening; set by a fit that whitens
    expects_nan: bool = False  # what was not measured is NaN: set by the chain for steps that tolerate it
    elements: Elements = Elements()  # names and annotations of the features, while `_fit` runs

    def fit(self, X: Matrix, cells: pd.DataFrame, elements: Elements | None = None) -> Self:
        """Fit on training cells.

        Parameters
        ----------
        X : (n, p)
            Dense or CSR, float32.
        cells : (n, ...)
            Annotations (`obs`) of the cells.
        elements
            Names and annotations of the features, and what else was asked for.

        Raises
        ------
        DataError
            Where the cells lack a column that is read, or their values are not finite.
        """
        self._check(X, cells)
        self.n_features_in = X.shape[1]
        self.elements = (elements or Elements()).read_by(self)
        try:
            with self._reading(cells) as declared:
                self._fit(X, declared)
        finally:
            del self.elements
        return self

    def transform(self, X: Matrix, cells: pd.DataFrame) -> Matrix:
        """Transform cells (n, p) into (n, q), float32; sparse stays sparse where the transform allows it."""
        self._require_fitted()
        self._check(X, cells)
        if X.shape[1] != self.n_features_in:
            raise self._data_error(f"expected {self.n_features_in} features, found {X.shape[1]}")
        return self._checked(self.transform_block(X, cells), len(cells))

    def transform_block(self, X: Matrix, cells: pd.DataFrame) -> Matrix:
        """Transform cells (k, p) that were checked already, such as a block of rows of many."""
        with self._reading(cells) as declared:
            return self._transform(X, declared)

    def require_columns(self, columns: Collection[str], of: str = "") -> None:
        """Refuse annotations of cells that lack a column which is read; `of` says whose."""
        for column in keys_of(self.required(), OBS):
            if column not in columns:
                problem = f"expected a column '{column}' in obs, which its values depend on, found none"
                raise self._data_error(problem, suggest_names(column, columns), of=of)

    def inverse_transform(self, Z: Matrix, cells: pd.DataFrame | None = None) -> Matrix:
        """Bring (n, q) back to (n, p) in the units of the data; `cells` where they are known."""
        self._require_fitted()
        if cells is None:
            return self._checked(self._inverse_transform(Z, None), Z.shape[0])
        self.require_columns(cells.columns)
        with self._reading(cells) as declared:
            return self._checked(self._inverse_transform(Z, declared), Z.shape[0])

    def restrict_inverse(self, columns: NDArray[np.int64]) -> tuple[Preprocessor, NDArray[np.int64] | None] | None:
        """Return a copy that only inverts, and only to some features, where this saves work.

        Parameters
        ----------
        columns : (c,)
            Which of the p features its `inverse_transform` is to give, in this order.

        Returns
        -------
        tuple or None
            The copy, and which columns of Z (n, q) its `inverse_transform` expects (None: all). None where the step
            has no such copy: it is then inverted as a whole.
        """
        return None

    def feature_names_out(self, features: pd.Index) -> pd.Index:
        """(q,) names after the transform, from the (p,) names before."""
        self._require_fitted()
        return pd.Index(self._feature_names_out(features))

    def affine(self) -> tuple[NDArray[np.float64] | sparse.csr_array, NDArray[np.float64]] | None:
        """Return A (p, q) and b (q,) such that ``transform(X) = X @ A + b``; None where there are none."""
        return None

    def as_module(self) -> nn.Module:
        """Return the transform as a differentiable module over dense tensors (n, p) -> (n, q)."""
        from jamie.core.affine import AffineModule

        affine = self.affine()
        if affine is None:
            raise self._contract_error("a transform that is not affine must write as_module itself")
        return AffineModule(*affine)

    def inverse_as_module(self) -> nn.Module | None:
        """Return `inverse_transform` as a differentiable module over dense tensors (n, q) -> (n, p).

        None where there is none. The inverse of an affine transform is taken to be affine, and read off from what it
        makes of single scores.
        """
        from jamie.core.affine import AffineModule
        from jamie.core.matrix import to_dense

        affine = self.affine()
        if affine is None:
            return None
        q = len(affine[1])
        offset = to_dense(self.inverse_transform(np.zeros((1, q), np.float32)))
        return AffineModule(to_dense(self.inverse_transform(np.eye(q, dtype=np.float32))) - offset, offset[0])

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Arrays and plain values from which `set_state` restores what was fitted."""
        self._require_fitted()
        arrays, plain = self._state()
        return arrays, {**plain, "n_features_in": self.n_features_in}

    def set_state(self, arrays: Mapping[str, NDArray[Any]], plain: Mapping[str, Any]) -> Self:
        """Restore what `state` gave, on a preprocessor built with the same parameters."""
        self.n_features_in = plain["n_features_in"]
        self._set_state(arrays, plain)
        return self

    def _copy_of(self, n_features: int, **fitted: Any) -> Self:
        """Return a copy for `n_features` features, with some of what was fitted replaced."""
        narrow = copy(self)
        narrow.n_features_in = n_features
        vars(narrow).update(fitted)
        return narrow

    @abstractmethod
    def _fit(self, X: Matrix, cells: pd.DataFrame) -> None: ...

    @abstractmethod
    def _transform(self, X: Matrix, cells: pd.DataFrame) -> Matrix: ...

    @abstractmethod
    def _inverse_transform(self, Z: Matrix, cells: pd.DataFrame | None) -> Matrix: ...

    def _feature_names_out(self, features: pd.Index) -> pd.Index:
        return features

    @abstractmethod
    def _state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]: ...

    @abstractmethod
    def _set_state(self, arrays: Mapping[str, NDArray[Any]], plain: Mapping[str, Any]) -> None: ...

    @contextmanager
    def _reading(self, cells: pd.DataFrame) -> Iterator[pd.DataFrame]:
        """Give the columns of obs that are declared; say so if another is read."""
        try:
            yield cells[keys_of(self.required(), OBS)]
        except KeyError as error:
            column = error.args[0] if error.args else ""
            if not isinstance(column, str) or column not in cells:
                raise
            problem = f"reads column '{column}' of obs without declaring it"
            raise self._contract_error(problem, f'add "obs:{column}" to its `requires`') from error

    def _require_fitted(self) -> None:
        if self.n_features_in is None:
            raise self._contract_error("used before it was fitted", "call fit first")

    def _check(self, X: Matrix, cells: pd.DataFrame) -> None:
        if X.shape[0] != len(cells):
            raise self._data_error(f"expected annotations of {X.shape[0]} cells, found {len(cells)}")
        self.require_columns(cells.columns)
        if isinstance(X, LazyRows):
            return  # made of values that are finite
        allowed = self.accepts_nan or self.expects_nan
        found = find_non_finite(X, nan_allowed=allowed)
        if found is not None and allowed:
            raise self._data_error(
                f"found {found.count} infinite values, which are not missing ones",
                "mend the data, or set them to NaN if they stand for missing values",
            )
        if found is not None:
            problem = f"found {found.count} values that are NaN or infinite"
            raise self._data_error(problem, "put fill_missing first in preprocess")

    def _checked(self, Z: Matrix, n_cells: int) -> Matrix:
        shape = getattr(Z, "shape", None)
        if shape is None or len(shape) != 2 or shape[0] != n_cells:
            found = type(Z).__name__ if shape is None else f"shape {shape}"
            problem = f"expected {n_cells} rows, found {found}"
            raise self._contract_error(problem, "return a matrix with one row for each cell")
        return Z if Z.dtype == np.float32 else Z.astype(np.float32)


def nan_allowed(steps: Sequence[Preprocessor | type[Preprocessor]]) -> bool:
    """Whether data may hold NaN when these preprocessors are applied to them in order: the first takes care of it."""
    return bool(steps) and steps[0].accepts_nan
