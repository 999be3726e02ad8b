"""A chain of preprocessors."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.context import Context
from jamie.core.data import LAZY_FROM, Matrix
from jamie.core.elements import Elements
from jamie.core.errors import ContractError, DataError
from jamie.core.interfaces import Preprocessor
from jamie.core.lazy_rows import LazyRows
from jamie.core.matrix import column_means, column_range, find_non_finite, stored_values, to_dense
from jamie.core.panels import Panels, Part, assign_panels, fill_nan, has_nan
from jamie.core.requirements import VAR, keys_of
from jamie.data.checks.messages import first_names
from jamie.preprocess.feature_statistics import moments
from jamie.preprocess.inverse import Inverse
from jamie.preprocess.selection import SelectColumns, selection_matrix

if TYPE_CHECKING:
    from torch import nn

log = logging.getLogger(__name__)


class Chain:
    """Preprocessors in order, after dropping the features that are constant over the training cells.

    Dropped features come back as their constant on inversion (NaN where the training cells have no value at all).
    Where cells were measured for several panels of features, what was not measured is NaN, and stays so until a step
    estimates it (`pca`) or cannot do with NaN; it is then the mean of the training cells that were measured.

    Parameters
    ----------
    steps
        Applied in order; may be empty.
    name
        Of the modality, for messages.

    Attributes
    ----------
    shares : (p,)
        Part of the training cells' variance that each feature carries before the first step that makes others of
        them, such as pca, or at the end; together 1.
    panels : (k, p)
        Features measured in some training cells, as in `jamie.core.panels`; None where all were measured for all.
    """

    def __init__(self, steps: Sequence[Preprocessor], name: str = "data") -> None:
        self.steps = tuple(steps)
        self.name = name
        self.kept: NDArray[np.int64] | None = None
        self.constants = np.empty(0, np.float32)
        self.shares = np.empty(0, np.float32)
        self.panels: Panels | None = None
        self.typical: NDArray[np.float32] | None = None

    def fit(
        self,
        X: Matrix | LazyRows,
        cells: pd.DataFrame,
        features: pd.Index,
        panels: Panels | None = None,
        elements: Elements | None = None,
    ) -> Self:
        """Fit every step, afresh, on training cells.

        Parameters
        ----------
        X : (n, p)
            Dense, CSR or read lazily, float32.
        cells : (n, ...)
            Annotations of the cells.
        features : (p,)
            Names, for messages.
        panels : (k, p)
            Features measured in some of the cells; None where all were measured for all.
        elements
            Annotations of the features, and what else the steps asked for.

        Raises
        ------
        DataError
            Where every feature is constant, or a step refuses the values, or finds no features that are annotated.
        """
        self._find_constant(X, features)
        self._set_panels(panels)
        panel = None if panels is None else assign_panels(X, panels)
        X = self._drop(read_lazily(X, cells) if panels is None and self.steps else X)
        positions, mixed = pd.Index(self._fitted().astype(str)), False
        elements = replace(elements or Elements(self.name), features=features)
        for i, step in enumerate(self.steps):
            before, n_last = X.shape[1], len(self.steps) - 1
            X = self._fill_unmeasured(X, i, fit=True)
            with self._with_modality_in_messages(step):
                X = _readable(X, step)
                step.fit(X, cells, self._elements_of(step, positions, elements, i if mixed else 0))
                after = step.feature_names_out(positions)
                if not mixed and not after.isin(positions).all():
                    mixed = True
                    self._compute_shares(X, positions)
                if i < n_last or not mixed or panels is not None:  # else nothing reads what comes out
                    X = self._restore_unmeasured(step, _transformed(X, step, cells), panel)
                positions = after
            log.info("%s: %s, %d -> %d features", self.name, step.name, before, len(positions))
        X = self._fill_unmeasured(X, len(self.steps), fit=True)
        if not mixed:
            self._compute_shares(X, positions)
        return self

    def _elements_of(self, step: Preprocessor, positions: pd.Index, elements: Elements, n_before: int) -> Elements:
        """Return the elements with the features that a step finds; those that others made have no annotations."""
        if not n_before:
            return elements.select(positions.to_numpy().astype(np.int64))
        columns = keys_of(step.required(), VAR)
        if columns:
            raise step._data_error(
                f"expected features with a column '{columns[0]}' of var, found those that the steps before it made",
                f"put it before {', '.join(one.name for one in self.steps[:n_before])}",
            )
        return elements.of_features(None)

    def _set_panels(self, panels: Panels | None) -> None:
        """Note the panels, and set whether steps may find NaN for what was not measured."""
        self.panels, self.typical = panels, None
        for step in self.steps:
            step.expects_nan = panels is not None and step.tolerates_nan

    @property
    def _fill_position(self) -> int:
        """Number of the step before which what is still NaN is filled in."""
        intolerant = (i for i, step in enumerate(self.steps) if not (step.tolerates_nan or step.accepts_nan))
        return next(intolerant, len(self.steps))

    def _fill_unmeasured(self, X: Matrix, i: int, *, fit: bool = False) -> Matrix:
        """Fill in what was not measured before step i, if NaN must be filled there."""
        if self.panels is None or i != self._fill_position:
            return X
        if fit:
            self.typical = column_means(X).astype(np.float32)
        return X if self.typical is None or not has_nan(X) else fill_nan(X, self.typical)

    def _restore_unmeasured(self, step: Preprocessor, Z: Matrix, panel: NDArray[np.int64] | None) -> Matrix:
        """Set to NaN again what a step has filled but was not measured, so that the next step ignores it."""
        if panel is None or self.panels is None or not step.accepts_nan or sparse.issparse(Z):
            return Z
        return np.where(self.panels[panel][:, self._fitted()], Z, np.float32(np.nan))

    def _compute_shares(self, X: Matrix, positions: pd.Index) -> None:
        """Compute the share of the variance of each feature; X (n, k) has the features at these positions."""
        variance = np.nan_to_num(moments(X)[1])
        self.shares = np.zeros(len(self.constants), np.float32)
        self.shares[positions.astype(int)] = variance / max(variance.sum(), np.finfo(np.float64).tiny)

    def transform(self, X: Matrix, cells: pd.DataFrame) -> Matrix:
        """Transform cells (n, p) into (n, q), float32; sparse until a step makes it dense."""
        self._check_width(X)
        panel = None if self.panels is None else assign_panels(X, self.panels)
        X = self._drop(read_lazily(X, cells) if self.panels is None and self.steps else X)
        for i, step in enumerate(self.steps):
            X = self._fill_unmeasured(X, i)
            with self._with_modality_in_messages(step):
                X = self._restore_unmeasured(step, _transformed(_readable(X, step), step, cells), panel)
        X = self._fill_unmeasured(X, len(self.steps))
        return X.collect() if isinstance(X, LazyRows) else X

    def scores(self, X: Matrix, cells: pd.DataFrame, context: Context) -> NDArray[np.float32]:
        """Transform cells (n, p) into a dense (n, q) array, as a model needs it.

        Raises
        ------
        MemoryLimitError
            Where the result is sparse and would not fit in memory as a dense array.
        """
        Z = self.transform(X, cells)
        if not sparse.issparse(Z):
            return np.asarray(Z)
        n, q = Z.shape
        what, fix = f"{self.name}: a dense matrix of {n} cells x {q} features", f"add pca to preprocess of {self.name}"
        context.require_memory(4 * n * q, what, fix)
        return to_dense(Z)

    def complete(self, X: Matrix) -> Matrix:
        """Return values (n, p) with estimates in place of NaN, dense if there are any."""
        if not np.isnan(stored_values(X)).any():
            return X
        self._check_width(X)
        cells = pd.DataFrame(index=range(X.shape[0]))
        values = to_dense(X)
        if self.panels is not None:  # estimated from what was measured, as the scores are
            return np.where(np.isnan(values), to_dense(self.inverse_transform(self.transform(X, cells))), values)
        full = np.tile(np.nan_to_num(self.constants), (X.shape[0], 1))
        full[:, self._fitted()] = to_dense(self.steps[0].transform(self._drop(X), cells))
        return np.where(np.isnan(values), full, values)

    def inverse_transform(self, Z: Matrix, cells: pd.DataFrame | None = None) -> Matrix:
        """Bring (n, q) back to (n, p) in the units of the data; `cells` where they are known."""
        return self.inverse()(Z, cells)

    def inverse(self, features: NDArray[np.int64] | None = None) -> Inverse:
        """Return the inverse for all features (p,), or only for some, which is cheaper."""
        return Inverse(self.steps, self._fitted(), self.constants, features)

    def feature_names_out(self, features: pd.Index) -> pd.Index:
        """(q,) names after the transform, from the (p,) names before."""
        names = pd.Index(features)[self._fitted()]
        for step in self.steps:
            names = step.feature_names_out(names)
        return names

    @property
    def unwhitening(self) -> NDArray[np.float64] | None:
        """(q,) what scores are multiplied by to undo the whitening of the last step; None where it does not whiten."""
        return self.steps[-1].unwhitening if self.steps else None

    def affine(self) -> tuple[NDArray[np.float64] | sparse.csr_array, NDArray[np.float64]] | None:
        """Return A (p, q) and b (q,) such that ``transform(X) = X @ A + b``; None where a step is not affine."""
        kept = self._fitted()
        A: Any = selection_matrix(kept, len(self.constants))
        b = np.zeros(len(kept))
        for step in self.steps:
            affine = step.affine()
            if affine is None:
                return None
            A, b = A @ affine[0], b @ affine[0] + affine[1]
        return A, b

    def measured_part(self, features: NDArray[np.bool_]) -> Part:
        """Projection of a residual of scores on some features (p,), as in `MeasuredTarget`.

        The residual is brought back to features by the inverse, set to 0 for the other features, and transformed
        again; steps before the last one that is not affine change each feature by itself.
        """
        mask = features[self._fitted()].astype(np.float64)
        affine_from = 1 + max((i for i, step in enumerate(self.steps) if step.affine() is None), default=-1)
        names = pd.Index(np.arange(len(mask)).astype(str))
        for step in self.steps[:affine_from]:
            names = step.feature_names_out(names)
        if not names.isin(np.arange(len(mask)).astype(str)).all():
            raise ContractError(
                "expected preprocessing that keeps features apart until it is affine, found other",
                where=f"preprocess of {self.name}",
                fix=f"set modalities.{self.name}.absent: keep, or change the order of the preprocessors",
            )
        mask = mask[names.astype(int)]
        there, final = self._affine_of(self.steps[affine_from:], names)
        if final.isin(names).all():
            return mask[names.get_indexer(final)].astype(np.float32)
        back = self._linear_inverse(self.steps[affine_from:], len(final))
        return np.asarray((back * mask) @ there, np.float32)

    @staticmethod
    def _affine_of(steps: Sequence[Preprocessor], names: pd.Index) -> tuple[Any, pd.Index]:
        """Matrix (p, q) of affine steps in a row, and the names of what comes out."""
        A: Any = sparse.eye_array(len(names), format="csr")
        for step in steps:
            affine = step.affine()
            assert affine is not None
            A, names = A @ affine[0], step.feature_names_out(names)
        return A, names

    @staticmethod
    def _linear_inverse(steps: Sequence[Preprocessor], q: int) -> NDArray[np.float64]:
        """Matrix (q, p) by which changes of scores become changes of features."""
        Z: Any = np.vstack([np.zeros((1, q), np.float32), np.eye(q, dtype=np.float32)])
        for step in reversed(steps):
            Z = step.inverse_transform(Z)
        return np.asarray(to_dense(Z)[1:] - to_dense(Z)[:1], np.float64)

    def as_module(self) -> nn.Module:
        """Return the transform as a differentiable module over dense tensors (n, p) -> (n, q)."""
        from torch import nn

        kept = self._fitted()
        select = [SelectColumns(kept)] if len(kept) < len(self.constants) else []
        return nn.Sequential(*select, *(step.as_module() for step in self.steps))

    def with_last(self, step: Preprocessor) -> Chain:
        """Return a chain that shares all that was fitted, with another last step."""
        other = copy(self)
        other.steps = (*self.steps[:-1], step)
        return other

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Arrays, those of step i under ``i.name``, and plain values from which `set_state` restores the chain."""
        arrays: dict[str, NDArray[Any]] = {"kept": self._fitted(), "constants": self.constants, "shares": self.shares}
        if self.panels is not None and self.typical is not None:
            arrays |= {"panels": self.panels, "typical": self.typical}
        plain = []
        for i, step in enumerate(self.steps):
            step_arrays, values = step.state()
            arrays |= {f"{i}.{key}": array for key, array in step_arrays.items()}
            plain.append(values)
        return arrays, {"steps": plain}

    def set_state(self, arrays: Mapping[str, NDArray[Any]], plain: Mapping[str, Any]) -> Self:
        """Restore what `state` gave, on a chain of the same steps."""
        self.kept, self.constants, self.shares = arrays["kept"], arrays["constants"], arrays["shares"]
        self._set_panels(arrays.get("panels"))
        self.typical = arrays.get("typical")
        for i, (step, values) in enumerate(zip(self.steps, plain["steps"], strict=True)):
            prefix = f"{i}."
            step.set_state({k.removeprefix(prefix): a for k, a in arrays.items() if k.startswith(prefix)}, values)
        return self

    @contextmanager
    def _with_modality_in_messages(self, step: Preprocessor) -> Iterator[None]:
        """Add the modality to the messages of a step."""

        def add_modality(record: logging.LogRecord) -> bool:
            record.msg, record.args = f"{self.name}: {record.getMessage()}", ()
            return True

        logger = logging.getLogger(type(step).__module__)
        logger.addFilter(add_modality)
        try:
            yield
        except (DataError, ContractError) as error:
            raise type(error)(error.problem, where=f"{self.name}, {error.where}", fix=error.fix) from error
        finally:
            logger.removeFilter(add_modality)

    def _find_constant(self, X: Matrix | LazyRows, features: pd.Index) -> None:
        low, high = column_range(X)
        constant = (low == high) | np.isnan(low)
        self.constants = np.where(constant, low, 0).astype(np.float32)
        self.kept = np.flatnonzero(~constant)
        if constant.all():
            raise DataError(
                f"expected features that vary, found all {len(constant)} constant over the {X.shape[0]} training cells",
                where=self.name,
                fix="choose another layer, or hold out fewer cells",
            )
        if constant.any():
            n, names = int(constant.sum()), first_names(features[constant])
            reason = "constant over the training cells" + (" or NaN in all of them" if np.isnan(low).any() else "")
            log.warning("%s: dropped %d of %d features, %s: %s", self.name, n, len(constant), reason, names)

    def _drop(self, X: Matrix) -> Matrix:
        kept = self._fitted()
        if len(kept) == len(self.constants):
            return X
        return X.select(kept) if isinstance(X, LazyRows) else X[:, kept]

    def _fitted(self) -> NDArray[np.int64]:
        if self.kept is None:
            raise ContractError("used before it was fitted", where=f"preprocess of {self.name}", fix="call fit first")
        return self.kept

    def _check_width(self, X: Matrix) -> None:
        self._fitted()
        if X.shape[1] != len(self.constants):
            raise DataError(f"expected {len(self.constants)} features, found {X.shape[1]}", where=self.name)


def read_lazily(X: Any, cells: pd.DataFrame, rows: NDArray[np.int64] | None = None) -> Any:
    """Return large sparse cells, or some of them, in a form that is preprocessed while it is read; others whole."""
    if isinstance(X, LazyRows):
        return X
    if sparse.issparse(X) and X.nnz > LAZY_FROM and find_non_finite(X) is None:
        return LazyRows(X, cells, rows)
    return X if rows is None else X[rows]


def _readable(X: Any, step: Preprocessor) -> Any:
    """Return cells in a form that a step reads: in memory, unless it takes them a block at a time."""
    return X.collect() if isinstance(X, LazyRows) and not step.reads_blocks else X


def _transformed(X: Any, step: Preprocessor, cells: pd.DataFrame) -> Any:
    """Return transformed cells; where they are read lazily and stay sparse, they are transformed while read."""
    return X.map(step.transform_block) if isinstance(X, LazyRows) and step.keeps_zeros else step.transform(X, cells)
