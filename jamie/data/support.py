"""Whether the values of a target are such as its decoder describes: counts, or 0 and 1."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from jamie.core.data import Block, Matrix
from jamie.core.errors import DataError
from jamie.core.interfaces import Decoder, Preprocessor
from jamie.core.interfaces.decoder import Support
from jamie.core.stack import layer_names
from jamie.core.values import percent, row_blocks
from jamie.data.blocks import choose_block

if TYPE_CHECKING:
    from anndata import AnnData

_WANTED: dict[Support, str] = {"counts": "counts", "binary": "values of 0 and 1"}


def require_support(
    target: Block, steps: Sequence[type[Preprocessor]], decoder: type[Decoder], adata: AnnData, key: str, where: str
) -> None:
    """Refuse a target that the decoder's distribution cannot have given.

    Parameters
    ----------
    target
        The raw values.
    steps
        The preprocessors of the target, which must leave values as they are.
    decoder
        Says by its `support` which values it describes.
    adata
        The modality, to find a layer that would do.
    key
        ``modalities.rna``, for messages.
    where
        Place of the decoder in the spec, for messages.

    Raises
    ------
    DataError
        With how many values do not fit, or the preprocessors that change them.
    """
    if decoder.support == "real":
        return
    wanted = _WANTED[decoder.support]
    problem = _mismatch(target.X, decoder.support)
    changed = [step.name for step in steps if not step.keeps_values]
    if problem:
        message = f"expected {wanted} in {target.origin}, found {problem}"
    elif changed:
        message = f"expected {wanted} as they were measured, found that the target is changed by {', '.join(changed)}"
    else:
        return
    raise DataError(message, where=where, fix=_fix(adata, decoder, key))


def _mismatch(X: Matrix, support: Support) -> str:
    """Say how many of the values do not belong to the support; nothing where all do."""
    size = X.shape[0] * X.shape[1]
    if support == "binary":
        found = {"are neither": _count(X, lambda v: (v != 0) & (v != 1))}
    else:
        negative, broken = _count(X, lambda v: v < 0), _count(X, lambda v: v != np.floor(v))
        found = {"are not whole numbers": broken, "are negative": negative}
    return " and ".join(f"{percent(n, size)} that {what}" for what, n in found.items() if n)


def _count(X: Matrix, wrong: Any) -> int:
    """Count the values that are wrong; those that a sparse matrix does not store are 0, which never is."""
    values: Any = X.data if sparse.issparse(X) else X
    width = 1 if values.ndim == 1 else values.shape[1]
    return sum(int(np.count_nonzero(wrong(values[rows]))) for rows in row_blocks(len(values), width))


def _fix(adata: AnnData, decoder: type[Decoder], key: str) -> str:
    fitting = list(_fitting(adata, decoder.support))
    if not fitting:
        return (
            f"no layer holds {_WANTED[decoder.support]}: add one to the data, or choose a decoder of real numbers, "
            f"such as `decoder: mlp`"
        )
    others = f" (also there: {', '.join(fitting[1:])})" if fitting[1:] else ""
    target = f"{{layer: {fitting[0]}}}" if fitting[0] != "X" else "{}"
    return f"the decoder {decoder.name} needs a target that is not preprocessed: set {key}.target to {target}{others}"


def _fitting(adata: AnnData, support: Support) -> Iterator[str]:
    """Names of the layers, and X, whose values belong to the support."""
    for name in (*layer_names(adata), None):
        with suppress(DataError):  # of what holds no numbers
            if not _mismatch(choose_block(adata, name).X, support):
                yield name or "X"
