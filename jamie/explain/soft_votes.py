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
    """Shares of the labels in votes of weight ``exp(-d^2 / h)``, with h such that about k cells have a say.

    Parameters
    ----------
    z : (n_v, L)
        Latents of the cells that vote.
    labels : (n_v,)
        Theirs.
    k
        Effective number of voters, ``exp`` of the entropy of the weights, at the latents of each cell.
    module
        Beside which the votes are computed, on its device.
    """

    def __init__(self, z: NDArray[np.floating], labels: NDArray[np.str_], k: int, module: nn.Module) -> None:
        from jamie.explain.shap_task import on

        self.classes, codes = np.unique(labels, return_inverse=True)
        self.k = min(k, len(z))
        self.voters = on(module, np.asarray(z, np.float32))
        self.one_hot = on(module, np.eye(len(self.classes), dtype=np.float32)[codes])

    def bandwidths(self, z: NDArray[np.floating], own: sparse.csr_array) -> NDArray[np.float32]:
        """(n,) the h of each cell, by bisection.

        Parameters
        ----------
        z : (n, L)
            Latents.
        own : (n, n_v)
            Voters that are the cell itself, and have no vote on it.
        """
        import torch

        found = [np.empty(0, np.float32)]
        for start in range(0, len(z), _ROWS):
            rows = slice(start, start + _ROWS)
            squared = self._squared(torch.as_tensor(np.asarray(z[rows], np.float32), device=self.voters.device))
            squared = squared.masked_fill(self._mask(own[rows]), torch.inf)
            low = torch.full((len(squared),), -20.0, device=squared.device)
            high = torch.full_like(low, 20.0)  # logarithms, relative to the distances' own scale
            scale = squared.masked_fill(squared.isinf(), 0).mean(dim=1).clamp(min=1e-12)
            for _ in range(_ROUNDS):
                middle = (low + high) / 2
                weights = torch.softmax(-squared / (scale * middle.exp())[:, None], dim=1)
                count = torch.special.entr(weights).sum(dim=1).exp()
                low, high = torch.where(count < self.k, middle, low), torch.where(count < self.k, high, middle)
            found.append((scale * high.exp()).cpu().numpy())
        return np.concatenate(found)

    def shares(self, z: Tensor, bandwidths: Tensor, own: sparse.csr_array) -> Tensor:
        """(n, C) shares of the labels for cells of latents (n, L), with their bandwidths (n,)."""
        import torch

        logits = -self._squared(z) / bandwidths[:, None]
        return torch.softmax(logits.masked_fill(self._mask(own), -torch.inf), dim=1) @ self.one_hot

    def margins(self, z: Tensor, bandwidths: Tensor, own: sparse.csr_array, codes: Tensor) -> Tensor:
        """(n,) share of each cell's label (n,), by its place in `classes`, less the largest of the others."""
        import torch

        shares = self.shares(z, bandwidths, own)
        mine = shares.gather(1, codes[:, None])[:, 0]
        return mine - shares.scatter(1, codes[:, None], -torch.inf).amax(dim=1).clamp(min=0)

    def _squared(self, z: Tensor) -> Tensor:
        squares = z.square().sum(1)[:, None] + self.voters.square().sum(1)
        return (squares - 2 * z @ self.voters.T).clamp(min=0)

    def _mask(self, own: sparse.csr_array) -> Tensor:
        import torch

        return torch.as_tensor(own.toarray() > 0, device=self.voters.device)
