"""Imputed values of many cells, computed a block of rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_BLOCK_VALUES = 2**24  # 64 MiB in each matrix
BLOCK_CELLS = 2**13  # whose own values have to be held too, however few are imputed
_CHUNK = 1024  # cells, and features, that lie together in a file


@dataclass(frozen=True)
class ImputedChunk:
    """Imputed values of some cells.

    Parameters
    ----------
    X : (k, p)
        The values.
    layers
        (k, p) of other matrices, such as ``sd``.
    obs
        (k,) of each column that is computed with the values.
    """

    X: NDArray[np.floating]
    layers: Mapping[str, NDArray[np.floating]] = field(default_factory=dict)
    obs: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def without(self, cells: NDArray[np.bool_]) -> ImputedChunk:
        """Return the same with NaN for some cells (k,), from which nothing can be imputed."""

        def unknown(values: NDArray[Any]) -> NDArray[Any]:
            where = cells.reshape(-1, *(1,) * (values.ndim - 1))
            return np.where(where, np.float32(np.nan), values)

        layers, obs = ({k: unknown(v) for k, v in given.items()} for given in (self.layers, self.obs))
        return ImputedChunk(unknown(self.X), layers, obs)


@dataclass(frozen=True)
class LazyImputation:
    """Imputed values that are computed chunk by chunk, when they are read.

    Parameters
    ----------
    obs : (n, ...)
        Annotations of the cells.
    var : (p, ...)
        Annotations of the features.
    layers
        Names of the matrices beside X.
    provenance
        Plain values that say what the values are.
    rows
        Computes those of some cells.
    """

    obs: pd.DataFrame
    var: pd.DataFrame
    layers: tuple[str, ...]
    provenance: Mapping[str, Any]
    rows: Callable[[slice], ImputedChunk]

    @property
    def shape(self) -> tuple[int, int]:
        """Cells and features."""
        return len(self.obs), len(self.var)

    @property
    def n_bytes(self) -> int:
        """Size of all matrices as float32."""
        return 4 * len(self.obs) * len(self.var) * (1 + len(self.layers))

    @property
    def chunks(self) -> tuple[int, int]:
        """Cells and features that lie together in a file: quick to read either way."""
        return min(len(self.obs), self.block_rows, _CHUNK), min(len(self.var), _CHUNK)

    @property
    def block_rows(self) -> int:
        """Cells that are computed at a time: whole chunks, where there is room for one."""
        rows = min(max(1, _BLOCK_VALUES // max(1, len(self.var))), BLOCK_CELLS)
        return rows - rows % _CHUNK if rows > _CHUNK else rows

    def blocks(self) -> list[slice]:
        """Slices that together cover the cells."""
        n, step = len(self.obs), self.block_rows
        return [slice(start, min(start + step, n)) for start in range(0, n, step)]
