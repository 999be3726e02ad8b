"""Votes of nearest neighbours, smooth in the latents of the cell that is voted on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

if TYPE_CHECKING:
    from torch import Tensor, nn

_ROUNDS = 40  # of bisection
_ROWS = 512


class SoftVotes:
    """Votes of weight ``exp(-d^2 / h)`` for labels, with h such that about k cells have a say.

    Parameters
    ----------
    z : (n_v, L)
        Latents of the cells that vote.
    labels : (n_v,)
        Theirs.
    k
        Effective number of voters, ``exp`` of the entropy of the weights, on half of the cells at least; fewer than
        there are.
    module
        Beside which the votes are computed, on its device.
    """

    def __init__(self, z: NDArray[np.floating], labels: NDArray[np.str_], k: int, module: nn.Module) -> None:
        from jamie.explain.modules import on

        self.classes, codes = np.unique(labels, return_inverse=True)
        self.k, self.z = k, np.asarray(z, np.float64)
        self.voters = on(module, np.asarray(z, np.float32))
        self.one_hot = on(module, np.eye(len(self.classes), dtype=np.float32)[codes])

    def bandwidth(self, z: NDArray[np.floating], own: sparse.csr_array) -> float:
        """Return the h by which half of the cells have k voters or more.

        Parameters
        ----------
        z : (n, L)
            Latents.
        own : (n, n_v)
            Voters that are the cell itself, and have no vote on it.
        """
        found = [
            self._bandwidths(z[start : start + _ROWS], own[start : start + _ROWS]) for start in range(0, len(z), _ROWS)
        ]
        return float(np.median(np.concatenate(found)))

    def log_odds(self, z: Tensor, bandwidth: float, own: sparse.csr_array, codes: Tensor) -> Tensor:
        """(n,) logarithm of the votes for each cell's label (n,), by its place in `classes`, less that of all others.

        It falls with the squared distance to voters of the label and rises with that to others: where votes are all but
        unanimous, their shares do not tell any more by how much.
        """
        import torch

        logits = (-self._squared(z) / bandwidth).masked_fill(self._mask(own), -torch.inf)
        mine = self.one_hot[:, codes].T > 0
        for_it, for_others = (logits.masked_fill(mask, -torch.inf).logsumexp(dim=1) for mask in (~mine, mine))
        return for_it - for_others

    def winners(self, z: Tensor, bandwidth: float, own: sparse.csr_array) -> Tensor:
        """(n,) place in `classes` of the label with most votes."""
        import torch

        logits = (-self._squared(z) / bandwidth).masked_fill(self._mask(own), -torch.inf)
        return (torch.softmax(logits, dim=1) @ self.one_hot).argmax(dim=1)

    def _bandwidths(self, z: NDArray[np.floating], own: sparse.csr_array) -> NDArray[np.float64]:
        """(n,) the h of each cell by which it has k voters, by bisection of its logarithm."""
        from scipy.special import entr, softmax

        squared = ((self.z**2).sum(axis=1) + (z**2).sum(axis=1)[:, None] - 2 * z @ self.z.T).clip(0)
        squared = np.where(own.toarray() > 0, np.inf, squared)
        scale = np.where(np.isinf(squared), 0, squared).mean(axis=1).clip(1e-12)
        low, high = np.full(len(z), -20.0), np.full(len(z), 20.0)
        for _ in range(_ROUNDS):
            middle = (low + high) / 2
            weights = softmax(-squared / (scale * np.exp(middle))[:, None], axis=1)
            few = np.exp(entr(weights).sum(axis=1)) < self.k
            low, high = np.where(few, middle, low), np.where(few, high, middle)
        return np.asarray(scale * np.exp(high))

    def _squared(self, z: Tensor) -> Tensor:
        squares = z.square().sum(1)[:, None] + self.voters.square().sum(1)
        return (squares - 2 * z @ self.voters.T).clamp(min=0)

    def _mask(self, own: sparse.csr_array) -> Tensor:
        import torch

        return torch.as_tensor(own.toarray() > 0, device=self.voters.device)
