"""Minibatches shared by processes: each computes the networks of its share of the cells, and the losses of all cells.

What a network gives for a share is gathered, so that every process has the outputs for the whole minibatch, and losses
need not know of processes. Backward, the gradients that the processes have of a gathered tensor are summed; the mean
over the processes of the gradients that they have of a parameter is then its gradient in one process.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributions import Distribution

from jamie.core.batch import Posterior


class Share:
    """The cells of a minibatch that one of several processes computes; `n_cells` is set to those of all.

    Parameters
    ----------
    rank, size
        Number of this process, and of all, in the group.
    group
        The processes that train the same networks.
    """

    def __init__(self, rank: int, size: int, group: dist.ProcessGroup) -> None:
        self.rank, self.size, self.group = rank, size, group
        self.n_cells = 0

    def take(self, values: Tensor) -> Tensor:
        """Rows (..., B_share, f) of values (..., B, f)."""
        return values[..., slice(*self.bounds(self.rank)), :]

    def whole_like(self, part: Tensor) -> Tensor:
        """Return an empty tensor (..., B, f) for a part (..., B_share, f)."""
        return part.new_empty((*part.shape[:-2], self.n_cells, part.shape[-1]))

    def bounds(self, rank: int) -> tuple[int, int]:
        """First row of a process, and the first that is no more its own."""
        return self.n_cells * rank // self.size, self.n_cells * (rank + 1) // self.size

    def gather(self, part: Tensor, axis: int = -2) -> Tensor:
        """Put the parts of all processes together along an axis."""
        return _Gather.apply(part.movedim(axis, 0), self).movedim(0, axis)

    def gather_posterior(self, part: Posterior) -> Posterior:
        """Posterior of all cells."""
        if part.logvar is None:
            return Posterior(self.gather(part.mean))
        return Posterior(*self.gather(torch.cat([part.mean, part.logvar], dim=-1)).chunk(2, dim=-1))

    def gather_distribution(self, part: Distribution, axis: int | None = None) -> Distribution:
        """Distribution (..., B, f) of all cells, of the same type; `axis` is that of the cells."""
        axis = len(part.batch_shape) - 2 if axis is None else axis
        whole = copy.copy(part)
        shape = part.batch_shape[: axis + 1]
        for name, value in vars(part).items():
            if isinstance(value, Distribution):
                setattr(whole, name, self.gather_distribution(value, axis))
            elif isinstance(value, Tensor) and value.shape[: axis + 1] == shape:
                vars(whole)[name] = self._gather_parameter(value, axis)
        vars(whole)["_batch_shape"] = torch.Size([*shape[:-1], self.n_cells, *part.batch_shape[axis + 1 :]])
        return whole

    def _gather_parameter(self, value: Tensor, axis: int) -> Tensor:
        if value.stride(axis) != 0 or not value.shape[axis]:
            return self.gather(value, axis)
        return value.narrow(axis, 0, 1).expand(*value.shape[:axis], self.n_cells, *value.shape[axis + 1 :])

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its mean over the processes."""
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        dist.all_reduce(flat, group=self.group)
        flat /= self.size
        for tensor, mean in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(mean.view(tensor.shape))

    def agree(self, value: Any) -> Any:
        """Return what the first process of the group has."""
        values = [value]
        dist.broadcast_object_list(values, group=self.group, group_src=0, device=torch.device("cpu"))
        return values[0]


class _Gather(torch.autograd.Function):
    """Rows of all processes; backward, the sum over the processes of the gradients of this process's rows."""

    @staticmethod
    def forward(ctx: Any, part: Tensor, share: Share) -> Tensor:
        ctx.share, ctx.rows = share, slice(*share.bounds(share.rank))
        bounds = [share.bounds(rank) for rank in range(share.size)]
        most = max(stop - start for start, stop in bounds)
        padded = part.new_zeros((most, *part.shape[1:]))
        padded[: len(part)] = part
        parts = [torch.empty_like(padded) for _ in bounds]
        dist.all_gather(parts, padded, group=share.group)
        return torch.cat([one[: stop - start] for one, (start, stop) in zip(parts, bounds, strict=True)])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        total = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total, group=ctx.share.group)
        return total[ctx.rows], None


def computes_cells_together(network: nn.Module) -> bool:
    """Whether a network normalizes over the cells of a minibatch, which it therefore needs as a whole."""
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules())
