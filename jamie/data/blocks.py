"""One matrix of an AnnData, chosen, named and brought to float32."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from jamie.core.data import Block, Matrix
from jamie.core.errors import DataError
from jamie.core.suggest import choose_from
from jamie.data.assemble import unique_names

if TYPE_CHECKING:
    from anndata import AnnData


def choose_block(adata: AnnData, layer: str | None = None, obsm: str | None = None, where: str = "") -> Block:
    """Choose X, a layer or an obsm array.

    Parameters
    ----------
    adata
        One modality; never modified.
    layer, obsm
        Which matrix; X where both are None.
    where
        Place in the spec or modality, for messages.

    Returns
    -------
    Block
        float32, dense or CSR; shares memory with `adata` where that already is.

    Raises
    ------
    DataError
        Where the matrix is absent, has no features or is not of numbers.
    """
    if layer is not None and obsm is not None:
        raise DataError("expected a layer or an obsm key, found both", where=where, fix="keep one of the two")
    if obsm is not None:
        values = _look_up(adata.obsm, obsm, "obsm", where)
        columns = values.columns if isinstance(values, pd.DataFrame) else range(1, values.shape[1] + 1)
        names, origin = pd.Index([f"{obsm}_{column}" for column in columns]), f"obsm '{obsm}'"
    else:
        values = adata.X if layer is None else _look_up(adata.layers, layer, "layer", where)
        names, origin = adata.var_names, "X" if layer is None else f"layer '{layer}'"
    if values is None:
        raise DataError(
            "expected a matrix in X, found none", where=where, fix=f"choose a layer: {_names(adata.layers)}"
        )
    X = _as_matrix(values, where, origin)
    if X.shape[1] == 0:
        raise DataError(f"expected features in {origin}, found none", where=where, fix="choose another layer or obsm")
    return Block(X, unique_names(names, where), origin)


def _look_up(mapping: Any, key: str, kind: str, where: str) -> Any:
    if key in mapping:
        return mapping[key]
    fix = choose_from(key, mapping) if len(mapping) else f"there are none; leave `{kind}` out to read X"
    raise DataError(f"expected {kind} '{key}', found no such {kind}", where=where, fix=fix)


def _names(mapping: Any) -> str:
    return ", ".join(mapping) or "there are none"


def _as_matrix(values: Any, where: str, origin: str) -> Matrix:
    if isinstance(values, pd.DataFrame):
        values = values.to_numpy()
    if not sparse.issparse(values):
        values = np.asarray(values)
    if values.dtype.kind not in "fiub":
        raise DataError(
            f"expected numbers in {origin}, found {values.dtype}",
            where=where,
            fix="move columns that are not numbers to obs",
        )
    return as_float32(values)


def as_float32(values: Any) -> Matrix:
    """Bring an array or a sparse matrix to float32, dense or CSR; copies only what has to change."""
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite and is refused with its place
        if sparse.issparse(values):
            return sparse.csr_array(values).astype(np.float32, copy=False)
        return values.astype(np.float32, copy=False)
