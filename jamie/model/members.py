"""Several networks of the same layers as one, whose parameters have a leading axis of members.

What reads these parameters gets inputs with the same leading axis: components that set `member_axis` do, so that one
call computes all members. Each member draws its noise from a generator of its own: what it becomes does not depend on
the others.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

Generators = tuple[torch.Generator, ...]
Network = TypeVar("Network", bound=nn.Module)

_LEVELS = 2**16  # that the probability of dropping a unit is rounded to


def join_members(members: Sequence[Network]) -> Network:
    """Return one network with the parameters and buffers (K, ...) of K networks; a single one is returned as it is.

    Parameters
    ----------
    members
        Networks that differ in the values of parameters and buffers alone.
    """
    if len(members) == 1:
        return members[0]
    joined = copy.deepcopy(members[0])
    stacked: dict[Tensor, Tensor] = {}  # what is in several places of a member stays one
    for module, *parts in zip(joined.modules(), *(member.modules() for member in members), strict=True):
        for name, parameter in module.named_parameters(recurse=False, remove_duplicate=False):
            if parameter not in stacked:
                values = torch.stack([part.get_parameter(name).detach() for part in parts])
                values = values.mT.contiguous().mT if values.ndim > 2 else values  # as products with matrices read them
                stacked[parameter] = nn.Parameter(values, requires_grad=parameter.requires_grad)
            setattr(module, name, stacked[parameter])
        for name, buffer in module.named_buffers(recurse=False, remove_duplicate=False):
            if buffer not in stacked:
                stacked[buffer] = torch.stack([part.get_buffer(name) for part in parts])
            setattr(module, name, stacked[buffer])
    return joined


def split_members(state: Mapping[str, Tensor], n_members: int) -> list[Mapping[str, Tensor]]:
    """Return the state of each member, of that of their `join_members`."""
    if n_members == 1:
        return [state]
    return [{name: values[k] for name, values in state.items()} for k in range(n_members)]


def normal_like(like: Tensor, generators: Generators) -> Tensor:
    """Return standard normal values of the shape of `like`: (K, ...) by K generators, or by torch's own if none."""
    if not generators:
        return torch.randn_like(like)
    noise = torch.empty_like(like)
    for part, generator in zip(noise.view(len(generators), -1), generators, strict=True):
        part.normal_(generator=generator)
    return noise


def dropout_mask(like: Tensor, rate: float, generators: Generators) -> Tensor:
    """Return a mask of the shape of `like`: 0 with probability `rate`, else 1 / (1 - rate).

    Every 64 random bits decide over four units, which costs a tenth of a random number for each. The rate is rounded
    to a multiple of 2^-16.
    """
    dropped = min(round(rate * _LEVELS), _LEVELS - 1)
    n_parts = max(len(generators), 1)
    n_units = like.numel() // n_parts
    bits = torch.empty((n_parts, -(-n_units // 4)), dtype=torch.int64, device=like.device)
    for part, generator in zip(bits, generators or [None], strict=True):
        torch.randint(-(2**63), 2**63 - 1, part.shape, generator=generator, out=part)
    kept = bits.view(torch.int16)[:, :n_units] >= dropped - _LEVELS // 2
    return kept.reshape(like.shape).to(like.dtype).mul_(_LEVELS / (_LEVELS - dropped))
