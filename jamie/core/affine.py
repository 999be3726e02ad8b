"""An affine map as a torch module."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor, nn


class AffineModule(nn.Module):
    """x (n, p) -> x A + b (n, q); a diagonal A is kept as its diagonal."""

    matrix: Tensor
    offset: Tensor

    def __init__(self, A: NDArray[np.floating] | sparse.csr_array, b: NDArray[np.floating]) -> None:
        super().__init__()
        full: Any = A
        self.diagonal = (
            bool(sparse.issparse(A)) and A.shape[0] == A.shape[1] and full.nnz == np.count_nonzero(full.diagonal())
        )
        kept = full.diagonal() if self.diagonal else full.toarray() if sparse.issparse(A) else full
        self.register_buffer("matrix", torch.as_tensor(np.asarray(kept), dtype=torch.float32))
        self.register_buffer("offset", torch.as_tensor(np.asarray(b), dtype=torch.float32))

    def forward(self, x: Tensor) -> Tensor:
        """Apply the map."""
        return (x * self.matrix if self.diagonal else x @ self.matrix) + self.offset
