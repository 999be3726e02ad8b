"""Preprocessors: invertible transforms, fitted on training cells only."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import nn

from jamie.core.interfaces import Preprocessor
from jamie.core.requirements import OBS, keys_of
from jamie.testing import toy
from jamie.testing.assertions import build, dense, require, require_equal, require_finite, require_is, unmodified

TRAIN = np.arange(31)  # of the 41 cells
COLUMNS = np.array([7, 2, 16])  # features of a restricted inverse


def check_transforms_to_named_features(component: type[Preprocessor]) -> None:
    """(n, q) finite float32 with q unique names; inverted to (n, p) finite float32."""
    X, cells, fitted, Z = _transformed(component)
    names = fitted.feature_names_out(toy.features("rna"))
    require_is(component, "a name for each", Z.shape, (len(X), len(names)))
    require(names.is_unique, component, "feature names are unique", expected="unique", found=list(names))
    inverse = fitted.inverse_transform(Z, cells)
    require_is(component, "inversion gives (n, p)", inverse.shape, X.shape)
    for clause, values in (("the transform", Z), ("the inverse", inverse), ("inverse", fitted.inverse_transform(Z))):
        require_finite(component, clause, values)
    require_is(component, "the transform's type", str(fitted._transform(X, cells).dtype), "float32")


def check_inverse_undoes_the_transform(component: type[Preprocessor]) -> None:
    """What the transform keeps survives inversion: transform(inverse(transform(X))) = transform(X)."""
    _, cells, fitted, Z = _transformed(component)
    again = fitted.transform(fitted.inverse_transform(Z, cells), cells)
    require_equal(component, "the inverse undoes the transform", again, Z, tolerance=1e-3)


def check_cells_do_not_mix(component: type[Preprocessor]) -> None:
    """A cell's transform depends on that cell and on the training cells, not on other transformed cells."""
    X, cells, fitted, Z = _transformed(component)
    found = fitted.transform(X[5:9], cells.iloc[5:9])
    require_equal(component, "a cell's transform is its own", found, dense(Z)[5:9])


def check_state_can_be_restored(component: type[Preprocessor]) -> None:
    """`state` is arrays and plain values, and restores the transform, its names and its inverse."""
    X, cells, fitted, Z = _transformed(component)
    arrays, plain = fitted.state()
    odd = [name for name, a in arrays.items() if not isinstance(a, np.ndarray) or a.dtype.kind not in "biuf"]
    require(not odd, component, "arrays of state() are arrays of numbers", expected="none other", found=odd)
    restored = build(component).set_state(arrays, json.loads(json.dumps(plain)))
    found, expected = (
        {
            "transform": step.transform(X, cells),
            "inverse": step.inverse_transform(Z, cells),
            "names": step.feature_names_out(toy.features("rna")),
        }
        for step in (restored, fitted)
    )
    require_equal(component, "state() restores it", found, expected, tolerance=0)


def check_affine_equals_the_transform(component: type[Preprocessor]) -> None:
    """If `affine` gives A and b, X A + b is the transform."""
    X, _, fitted, Z = _transformed(component)
    affine = fitted.affine()
    if affine is not None:
        A, b = affine
        require_equal(component, "X A + b is the transform", X @ dense(A) + b, Z, tolerance=1e-3)


def check_module_equals_the_transform(component: type[Preprocessor]) -> None:
    """`as_module` is the transform as a differentiable module."""
    X, _, fitted, Z = _transformed(component)
    _require_module(component, "as_module() is the transform", fitted.as_module(), X, Z)


def check_inverse_module_equals_the_inverse(component: type[Preprocessor]) -> None:
    """`inverse_as_module`, if any, is the inverse as a differentiable module; also that of a restricted inverse."""
    _, _, fitted, Z = _transformed(component)
    for step, reads in ((fitted, None), fitted.restrict_inverse(COLUMNS) or (fitted, None)):
        module = step.inverse_as_module()
        if module is not None:
            scores = dense(Z) if reads is None else dense(Z)[:, reads]
            clause = "inverse_as_module() is the inverse"
            _require_module(component, clause, module, scores, step.inverse_transform(scores))


def check_sparse_equals_dense(component: type[Preprocessor]) -> None:
    """A CSR array gives what the dense one gives (up to sign, for axes that have none)."""
    X, cells, fitted, Z = _transformed(component)
    csr = sparse.csr_array(X)
    other = _fit(component, csr[TRAIN], cells.iloc[TRAIN])
    found = dense(other.inverse_transform(other.transform(csr, cells), cells))
    expected = fitted.inverse_transform(Z, cells)
    require_equal(component, "sparse cells give what dense ones give", found, expected, tolerance=1e-2)


def check_restrict_inverse_to_some_features(component: type[Preprocessor]) -> None:
    """A restricted inverse, if any, gives the same values of its features as the whole inverse."""
    _, cells, fitted, Z = _transformed(component)
    restricted = fitted.restrict_inverse(COLUMNS)
    if restricted is not None:
        step, reads = restricted
        found = step.inverse_transform(Z if reads is None else Z[:, reads], cells)
        expected, again = (dense(fitted.inverse_transform(Z, cells))[:, COLUMNS] for _ in range(2))
        require_equal(component, "restrict_inverse() inverts to some features", found, expected)
        require_equal(component, "restrict_inverse() leaves the step as it was", again, expected, tolerance=0)


def check_leaves_inputs_alone(component: type[Preprocessor]) -> None:
    """Neither fit, transform nor inverse modifies the cells, dense or sparse."""
    X, cells = _data(component)
    for values in (X, sparse.csr_array(X)):
        with unmodified(component, X=values):
            fitted = _fit(component, values, cells)
            Z = fitted.transform(values, cells)
        with unmodified(component, Z=Z):
            fitted.inverse_transform(Z, cells)


def check_missing_values_are_gone(component: type[Preprocessor]) -> None:
    """A preprocessor that accepts NaN leaves none behind."""
    if component.accepts_nan:
        X, cells = _data(component)
        X[3, 2] = X[8, 4] = np.nan
        Z = _fit(component, X, cells).transform(X, cells)
        require_finite(component, "no value is missing after the transform", Z)


def _data(component: type[Preprocessor]) -> tuple[NDArray[np.float32], pd.DataFrame]:
    """Return counts, and annotations of the cells with the columns that the component declares."""
    step, cells = build(component), toy.obs("rna")
    made = toy.elements(step, toy.view("rna"))
    return toy.counts("rna"), cells.assign(**{column: made.obs(column) for column in keys_of(step.required(), OBS)})


def _fit(component: type[Preprocessor], X: Any, cells: pd.DataFrame) -> Preprocessor:
    step = build(component)
    return step.fit(X, cells, toy.elements(step, toy.view("rna")))


def _transformed(component: type[Preprocessor]) -> tuple[NDArray[np.float32], pd.DataFrame, Preprocessor, Any]:
    """Return X, the cells' annotations, the component fitted on the training cells, and its transform of X."""
    X, cells = _data(component)
    fitted = _fit(component, X[TRAIN], cells.iloc[TRAIN])
    return X, cells, fitted, fitted.transform(X, cells)


def _require_module(component: type[Preprocessor], clause: str, module: nn.Module, inputs: Any, expected: Any) -> None:
    """Require a module's outputs, and a finite gradient with respect to its inputs."""
    x = torch.as_tensor(inputs).requires_grad_()
    out = module(x)
    require_equal(component, clause, out, expected, tolerance=1e-3)
    (gradient,) = torch.autograd.grad(out.square().sum(), x)
    require_finite(component, f"{clause}: the gradient", gradient)
