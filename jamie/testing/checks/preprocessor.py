"""Preprocessors: invertible transforms, fitted on training cells only."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.interfaces import Preprocessor
from jamie.testing import toy
from jamie.testing.clause import build, dense, require, require_equal, require_finite, unmodified

TRAIN = np.arange(31)  # of the 41 cells


def check_transforms_to_named_features(component: type[Preprocessor]) -> None:
    """(n, q) finite float32 with q unique names; inverted to (n, p) finite float32."""
    X, cells = _data()
    fitted = _fitted(component)
    Z = fitted.transform(X, cells)
    names = fitted.feature_names_out(toy.features("rna"))
    require(Z.shape == (len(X), len(names)), component, "a name for each", expected=len(names), found=Z.shape[1])
    require(names.is_unique, component, "feature names are unique", expected="unique", found=list(names))
    back = fitted.inverse_transform(Z, cells)
    require(back.shape == X.shape, component, "inversion gives (n, p)", expected=X.shape, found=back.shape)
    for clause, values in (("the transform", Z), ("the inverse", back), ("inverse", fitted.inverse_transform(Z))):
        require_finite(component, clause, values)
    inner = fitted._transform(X, cells)
    require(inner.dtype == np.float32, component, "the transform's type", expected="float32", found=inner.dtype)


def check_inverse_undoes_the_transform(component: type[Preprocessor]) -> None:
    """What the transform keeps survives inversion: transform(inverse(transform(X))) = transform(X)."""
    X, cells = _data()
    fitted = _fitted(component)
    Z = fitted.transform(X, cells)
    again = fitted.transform(fitted.inverse_transform(Z, cells), cells)
    require_equal(component, "the inverse undoes the transform", again, Z, tolerance=1e-3)


def check_cells_do_not_mix(component: type[Preprocessor]) -> None:
    """A cell's transform depends on that cell and on the training cells, not on who else is transformed."""
    X, cells = _data()
    fitted = _fitted(component)
    found = fitted.transform(X[5:9], cells.iloc[5:9])
    require_equal(component, "a cell's transform is its own", found, dense(fitted.transform(X, cells))[5:9])


def check_state_can_be_restored(component: type[Preprocessor]) -> None:
    """`state` is arrays and plain values, and restores the transform, its names and its inverse."""
    X, cells = _data()
    fitted = _fitted(component)
    arrays, plain = fitted.state()
    odd = [name for name, a in arrays.items() if not isinstance(a, np.ndarray) or a.dtype.kind not in "biuf"]
    require(not odd, component, "arrays of state() are arrays of numbers", expected="none other", found=odd)
    restored = build(component).set_state(arrays, json.loads(json.dumps(plain)))
    Z = fitted.transform(X, cells)
    require_equal(component, "state() restores the transform", restored.transform(X, cells), Z, tolerance=0)
    found, expected = restored.inverse_transform(Z, cells), fitted.inverse_transform(Z, cells)
    require_equal(component, "state() restores the inverse", found, expected, tolerance=0)
    names = toy.features("rna")
    clause = "state() restores the names"
    require_equal(component, clause, restored.feature_names_out(names), fitted.feature_names_out(names))


def check_affine_equals_the_transform(component: type[Preprocessor]) -> None:
    """Where `affine` gives A and b, X A + b is the transform."""
    X, cells = _data()
    fitted = _fitted(component)
    affine = fitted.affine()
    if affine is not None:
        A, b = affine
        require_equal(
            component, "X A + b is the transform", X @ dense(A) + b, fitted.transform(X, cells), tolerance=1e-3
        )


def check_module_equals_the_transform(component: type[Preprocessor]) -> None:
    """`as_module` is the transform as a differentiable module."""
    X, cells = _data()
    fitted = _fitted(component)
    x = torch.as_tensor(X).requires_grad_()
    out = fitted.as_module()(x)
    require_equal(component, "as_module() is the transform", out, fitted.transform(X, cells), tolerance=1e-3)
    (gradient,) = torch.autograd.grad(out.square().sum(), x)
    require_finite(component, "the gradient of as_module()", gradient)


def check_inverse_module_equals_the_inverse(component: type[Preprocessor]) -> None:
    """Where there is an `inverse_as_module`, it is the inverse as a differentiable module; so is a narrow copy's."""
    X, cells = _data()
    fitted, columns = _fitted(component), np.array([7, 2, 16])
    Z = dense(fitted.transform(X, cells))
    narrow = fitted.restrict_inverse(columns)
    for step, reads in [(fitted, None), *([] if narrow is None else [narrow])]:
        module = step.inverse_as_module()
        if module is not None:
            given = Z if reads is None else Z[:, reads]
            z = torch.as_tensor(given).requires_grad_()
            out, expected = module(z), step.inverse_transform(given)
            require_equal(component, "inverse_as_module() is the inverse", out, expected, tolerance=1e-3)
            (gradient,) = torch.autograd.grad(out.square().sum(), z)
            require_finite(component, "the gradient of inverse_as_module()", gradient)


def check_sparse_equals_dense(component: type[Preprocessor]) -> None:
    """A CSR array is taken, and gives what the dense one gives (up to sign, for axes that have none)."""
    X, cells = _data()
    csr = sparse.csr_array(X)
    fitted = build(component).fit(csr[TRAIN], cells.iloc[TRAIN])
    found = dense(fitted.inverse_transform(fitted.transform(csr, cells), cells))
    other = _fitted(component)
    expected = other.inverse_transform(other.transform(X, cells), cells)
    require_equal(component, "sparse cells give what dense ones give", found, expected, tolerance=1e-2)


def check_restrict_inverse_to_some_features(component: type[Preprocessor]) -> None:
    """Where there is a narrow copy, it gives the very features that the whole inverse gives."""
    X, cells = _data()
    fitted, columns = _fitted(component), np.array([7, 2, 16])
    Z = fitted.transform(X, cells)
    narrowed = fitted.restrict_inverse(columns)
    if narrowed is not None:
        step, reads = narrowed
        found = step.inverse_transform(Z if reads is None else Z[:, reads], cells)
        expected = dense(fitted.inverse_transform(Z, cells))[:, columns]
        require_equal(component, "restrict_inverse() inverts to some features", found, expected)
        again = dense(fitted.inverse_transform(Z, cells))[:, columns]
        require_equal(component, "restrict_inverse() leaves the step as it was", again, expected, tolerance=0)


def check_leaves_inputs_alone(component: type[Preprocessor]) -> None:
    """Neither fit, transform nor inverse modifies the cells, dense or sparse."""
    X, cells = _data()
    for given in (X, sparse.csr_array(X)):
        with unmodified(component, X=given):
            fitted = build(component).fit(given, cells)
            Z = fitted.transform(given, cells)
        with unmodified(component, Z=Z):
            fitted.inverse_transform(Z, cells)


def check_missing_values_are_gone(component: type[Preprocessor]) -> None:
    """A preprocessor that accepts NaN leaves none behind."""
    if component.accepts_nan:
        X, cells = _data()
        X[3, 2] = X[8, 4] = np.nan
        Z = build(component).fit(X, cells).transform(X, cells)
        require_finite(component, "no value is missing after the transform", Z)


def _data() -> tuple[NDArray[np.float32], pd.DataFrame]:
    return toy.counts("rna"), toy.obs("rna")


def _fitted(component: type[Preprocessor]) -> Preprocessor:
    X, cells = _data()
    return build(component).fit(X[TRAIN], cells.iloc[TRAIN])
