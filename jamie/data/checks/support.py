"""Whether the values of a target lie in the support of its decoder's distribution: counts, or 0 and 1."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.data import Block, Matrix
from jamie.core.errors import DataError
from jamie.core.interfaces import Decoder, Preprocessor
from jamie.core.interfaces.model import Support
from jamie.core.matrix import format_percent, row_chunks, stored_values
from jamie.core.package_versions import layer_names
from jamie.data.blocks import choose_block
from jamie.data.checks.messages import describe_entry
from jamie.data.checks.value_kinds import DESCRIPTIONS, kind_of

if TYPE_CHECKING:
    from anndata import AnnData

_WRONG: dict[Support, dict[str, Callable[[NDArray[np.float32]], NDArray[np.bool_]]]] = {
    "counts": {"are not whole numbers": lambda v: v != np.floor(v), "are negative": lambda v: v < 0},
    "binary": {"are neither": lambda v: (v != 0) & (v != 1)},
}
_MAX_ERRORS = 0.01  # share of the values; so few wrong ones are errors
_SUPPORTS: dict[Support, str] = {"counts": "counts", "binary": "values of 0 and 1"}


def require_support(
    target: Block,
    cells: pd.Index,
    steps: Sequence[type[Preprocessor]],
    decoder: type[Decoder],
    adata: AnnData,
    key: str,
    where: str,
) -> None:
    """Refuse a target outside the support of the decoder's distribution.

    Parameters
    ----------
    target
        The raw values.
    cells
        Names of the cells.
    steps
        The preprocessors of the target, which must leave values as they are.
    decoder
        Its `support` says which values it describes.
    adata
        The modality, to find a layer that would do.
    key
        ``modalities.rna``, for messages.
    where
        Position of the decoder in the spec, for messages.

    Raises
    ------
    DataError
        With how many values do not fit, or the preprocessors that change them.
    """
    if decoder.support == "real":
        return
    expected, mismatch = _SUPPORTS[decoder.support], _mismatch(target.X, decoder.support)
    changes = [step.name for step in steps if not step.selects_features]
    if mismatch:
        values = stored_values(target.X)
        first = min(int(np.argmax(bad)) for wrong in _WRONG[decoder.support].values() if (bad := wrong(values)).any())
        found = f"{mismatch}; the first is {describe_entry(target, cells, first)}"
        problem = f"expected {expected} in {target.origin}, found {found}"
    elif changes:
        problem = f"expected {expected} as they were measured, found that the target is changed by {', '.join(changes)}"
    else:
        return
    raise DataError(problem, where=where, fix=_fix(target, adata, decoder, key))


def _mismatch(X: Matrix, support: Support) -> str:
    """Say how many of the values do not belong to the support; nothing where all do."""
    size = X.shape[0] * X.shape[1]
    found = {what: _count(X, wrong) for what, wrong in _WRONG[support].items()}
    return " and ".join(f"{format_percent(n, size)} that {what}" for what, n in found.items() if n)


def _count(X: Matrix, wrong: Any) -> int:
    """Count the values that are wrong; those that a sparse matrix does not store are 0, which never is."""
    values: Any = X.data if sparse.issparse(X) else X
    width = 1 if values.ndim == 1 else values.shape[1]
    return sum(int(np.count_nonzero(wrong(values[rows]))) for rows in row_chunks(len(values), width))


def _fix(target: Block, adata: AnnData, decoder: type[Decoder], key: str) -> str:
    fitting = list(_fitting(adata, decoder.support))
    if not fitting:
        return (
            f"no layer holds {_SUPPORTS[decoder.support]}: {_conversion(target, decoder.support, key)}, or choose a "
            "decoder of real numbers, such as `decoder: mlp`"
        )
    others = f" (also there: {', '.join(fitting[1:])})" if fitting[1:] else ""
    chosen = f"{{layer: {fitting[0]}}}" if fitting[0] != "X" else "{}"
    return f"the decoder {decoder.name} needs a target that is not preprocessed: set {key}.target to {chosen}{others}"


def _conversion(target: Block, support: Support, key: str) -> str:
    """Say how to convert the target to values of the support, if there is a way."""
    X, kind = target.X, kind_of(target.X)
    read = re.sub(r"^(layer|obsm) ('.*')$", lambda m: f"{m[1].replace('layer', 'layers')}[{m[2]}]", target.origin)
    if support == "binary" and kind in ("counts", "fractions", "normalised"):
        return (
            f"binarise them, adata.layers['binary'] = (adata.{read} > 0).astype('float32'), and set {key}.target to "
            "{layer: binary}"
        )
    if support == "counts" and kind == "fractions":
        rounded = f"adata.{read}.rint()" if sparse.issparse(X) else f"np.rint(adata.{read})"
        return (
            f"if they are expected counts, as of RSEM or Salmon, round them, adata.layers['counts'] = {rounded}, and "
            f"set {key}.target to {{layer: counts}}"
        )
    n_wrong = sum(_count(X, wrong) for wrong in _WRONG[support].values())
    if n_wrong < _MAX_ERRORS * X.shape[0] * X.shape[1]:
        return "correct these values, or leave those cells out"
    found = f" (these are {DESCRIPTIONS[kind]}, which rounding does not bring back)" if kind != "counts" else ""
    return f"add one to the data{found}"


def count_layers(adata: AnnData) -> Iterator[str]:
    """Names of the layers, and X, that hold counts."""
    return _fitting(adata, "counts")


def _fitting(adata: AnnData, support: Support) -> Iterator[str]:
    """Names of the layers, and X, whose values belong to the support."""
    for name in (*layer_names(adata), None):
        with suppress(DataError):  # of what holds no numbers
            if not _mismatch(choose_block(adata, name).X, support):
                yield name or "X"
