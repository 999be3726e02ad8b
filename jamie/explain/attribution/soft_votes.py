"""Label transfer by a vote of nearest neighbors that is differentiable in the latents of the cells."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor, nn

from jamie.explain.modules import tensor_on_device_of

_BISECTIONS = 40
_ROWS = 512


class SoftVotes:
    """Votes for labels with weights ``exp(-d^2 / h)``, where the bandwidth h gives about k effective voters.

    Parameters
    ----------
    z : (n_v, L)
        Latents of the voting cells.
    labels : (n_v,)
        Their labels.
    k
        Effective number of voters (``exp`` of the entropy of the weights) that at least half of the cells have; below
        the number of voting cells.
    module
        Whose device the votes are computed on.
    """

    def __init__(self, z: NDArray[np.floating], labels: NDArray[np.str_], k: int, module: nn.Module) -> None:

        self.classes, codes = np.unique(labels, return_inverse=True)
        self.k, self.z = k, np.asarray(z, np.float64)
        self.voters = tensor_on_device_of(module, np.asarray(z, np.float32))
        self.one_hot = tensor_on_device_of(module, np.eye(len(self.classes), dtype=np.float32)[codes])

    def bandwidth(self, z: NDArray[np.floating], excluded: sparse.csr_array) -> float:
        """Return the h at which half of the cells have k effective voters or more.

        Parameters
        ----------
        z : (n, L)
            Latents.
        excluded : (n, n_v)
            Voters without a vote on a cell: the cell itself or its partner.
        """
        blocks = [slice(start, start + _ROWS) for start in range(0, len(z), _ROWS)]
        return float(np.median(np.concatenate([self._bandwidths(z[rows], excluded[rows]) for rows in blocks])))

    def log_odds(self, z: Tensor, bandwidth: float, excluded: sparse.csr_array, codes: Tensor) -> Tensor:
        """(n,) logarithm of the votes for each cell's label, by its code (n,) in `classes`, less that for all others.

        It falls with the squared distance to voters of the label and rises with that to others, also if the vote is
        almost unanimous and the shares of the votes hardly change.
        """
        logits = self._logits(z, bandwidth, excluded)
        own = self.one_hot[:, codes].T > 0
        for_own, for_others = (logits.masked_fill(mask, -torch.inf).logsumexp(dim=1) for mask in (~own, own))
        return for_own - for_others

    def winners(self, z: Tensor, bandwidth: float, excluded: sparse.csr_array) -> Tensor:
        """(n,) code in `classes` of the label with most votes."""
        return (self._logits(z, bandwidth, excluded).softmax(dim=1) @ self.one_hot).argmax(dim=1)

    def _bandwidths(self, z: NDArray[np.floating], excluded: sparse.csr_array) -> NDArray[np.float64]:
        """(n,) bandwidth at which each cell has k effective voters, by bisection of its logarithm."""
        from scipy.special import entr, softmax

        squared = ((self.z**2).sum(axis=1) + (z**2).sum(axis=1)[:, None] - 2 * z @ self.z.T).clip(0)
        squared = np.where(excluded.toarray() > 0, np.inf, squared)
        scale = np.where(np.isinf(squared), 0, squared).mean(axis=1).clip(1e-12)
        low, high = np.full(len(z), -20.0), np.full(len(z), 20.0)
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            weights = softmax(-squared / (scale * np.exp(middle))[:, None], axis=1)
            few = np.exp(entr(weights).sum(axis=1)) < self.k
            low, high = np.where(few, middle, low), np.where(few, high, middle)
        return np.asarray(scale * np.exp(high))

    def _logits(self, z: Tensor, bandwidth: float, excluded: sparse.csr_array) -> Tensor:
        """(n, n_v) logarithms of the weights; minus infinity for voters that are excluded."""
        squared = (z.square().sum(1)[:, None] + self.voters.square().sum(1) - 2 * z @ self.voters.T).clamp(min=0)
        mask = torch.as_tensor(excluded.toarray() > 0, device=self.voters.device)
        return (-squared / bandwidth).masked_fill(mask, -torch.inf)
