"""Choosing features and putting them back: as a matrix, as an array and as torch modules."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor, nn

from jamie.core.data import Matrix
from jamie.core.matrix import to_dense


def selection_matrix(index: NDArray[np.int64], p: int) -> sparse.csr_array:
    """S (p, q) such that X S are the features `index` (q,) of X (n, p)."""
    q = len(index)
    return sparse.csr_array((np.ones(q), (index, np.arange(q))), shape=(p, q))


def place_columns(Z: Matrix, index: NDArray[np.int64], constants: NDArray[np.floating]) -> NDArray[np.float32]:
    """(n, p) values with Z (n, q) in the columns `index` (q,), and `constants` (p,) in the others."""
    full = np.tile(constants.astype(np.float32), (Z.shape[0], 1))
    full[:, index] = to_dense(Z)
    return full


class SelectColumns(nn.Module):
    """x (n, p) -> its columns `index` (n, q)."""

    index: Tensor

    def __init__(self, index: NDArray[np.int64]) -> None:
        super().__init__()
        self.register_buffer("index", torch.as_tensor(index))

    def forward(self, x: Tensor) -> Tensor:
        """Choose the columns."""
        return x[:, self.index]


class PlaceColumns(nn.Module):
    """x (n, q) -> (n, p) with x in the columns `index` (q,) and constants in the others.

    Parameters
    ----------
    index : (q,)
        Columns of x.
    constants : (p,)
        Values of the other columns.
    """

    index: Tensor
    constants: Tensor

    def __init__(self, index: NDArray[np.int64], constants: NDArray[np.floating]) -> None:
        super().__init__()
        self.register_buffer("index", torch.as_tensor(index))
        self.register_buffer("constants", torch.as_tensor(constants, dtype=torch.float32))

    def forward(self, x: Tensor) -> Tensor:
        """Place the columns."""
        return self.constants.to(x.dtype).repeat(len(x), 1).index_copy(1, self.index, x)
