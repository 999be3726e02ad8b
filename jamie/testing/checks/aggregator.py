"""Aggregators: combine the latents of corresponding cells."""

from __future__ import annotations

import torch
from torch import Tensor

from jamie.core.batch import PairBlocks
from jamie.core.interfaces import Aggregator
from jamie.model.members import join_members
from jamie.testing import toy
from jamie.testing.assertions import build, require, require_equal, require_finite, require_is, unmodified


def check_keeps_shapes(component: type[Aggregator]) -> None:
    """(B_m, L) for each of two and of three modalities, in their order."""
    for n_modalities in (2, 3):
        z = _latents(n_modalities)
        aggregated = _aggregate(component, z, toy.batch(n_modalities).blocks)
        require_is(component, "gives each modality", list(aggregated), list(z))
        for m, latents in aggregated.items():
            require_is(component, f"shape of {m}", latents.shape, z[m].shape)
            require_finite(component, f"the latents of {m}", latents)


def check_keeps_unmatched_cells(component: type[Aggregator]) -> None:
    """A cell without a partner keeps its own latents."""
    for n_modalities in (2, 3):
        z, blocks = _latents(n_modalities), toy.batch(n_modalities).blocks
        aggregated = _aggregate(component, z, blocks)
        for a in z:
            candidates = (blocks.between(a, b) for b in z if b != a)
            alone = torch.stack([block.sum(1) for block in candidates if block is not None]).sum(0) == 0
            clause = f"a cell of {a} without a partner keeps its latents"
            require_equal(component, clause, aggregated[a][alone], z[a][alone])


def check_changes_nothing_without_pairs(component: type[Aggregator]) -> None:
    """Without known pairs all cells keep their latents."""
    z = _latents(3)
    for blocks in (PairBlocks(), toy.batch(3, matched=False).blocks):
        require_equal(component, "without pairs the latents stay as they are", _aggregate(component, z, blocks), z)


def check_follows_cells_in_another_order(component: type[Aggregator]) -> None:
    """The order of the cells in a minibatch means nothing."""
    z, blocks, order = _latents(3), toy.batch(3).blocks, toy.random_orders(3)
    found = _aggregate(component, _reordered(z, order), toy.reorder_blocks(blocks, order))
    expected = _reordered(_aggregate(component, z, blocks), order)
    require_equal(component, "follows cells in another order", found, expected)


def check_gradient_reaches_latents(component: type[Aggregator]) -> None:
    """The aggregated latents depend on each modality's latents."""
    z = {m: v.requires_grad_() for m, v in _latents(3).items()}
    aggregated = _aggregate(component, z, toy.batch(3).blocks)
    torch.stack([v.square().sum() for v in aggregated.values()]).sum().backward()
    unreached = [m for m, v in z.items() if v.grad is None or not bool(torch.isfinite(v.grad).all())]
    require(not unreached, component, "the gradient reaches all latents", expected="finite", found=unreached)


def check_member_axis(component: type[Aggregator]) -> None:
    """With `member_axis`, a leading axis of latents and parameters gives what each member does alone."""
    if not component.member_axis:
        return
    z, blocks = _latents(3), toy.batch(3).blocks
    latents = [z, {m: v.flip(0) for m, v in z.items()}]
    members = [build(component, tuple(z), toy.N_LATENT) for _ in latents]
    with torch.no_grad():
        for parameter in members[1].parameters():
            parameter.add_(torch.arange(parameter.numel()).view(parameter.shape))
    alone = [member(z, blocks) for member, z in zip(members, latents, strict=True)]
    both = PairBlocks({pair: torch.stack([f, f]) for pair, f in blocks.by_pair.items()})
    found = join_members(members)({m: torch.stack([part[m] for part in latents]) for m in z}, both)
    for m in z:
        require_equal(component, f"members in {m}", found[m], torch.stack([part[m] for part in alone]))


def check_leaves_inputs_alone(component: type[Aggregator]) -> None:
    """Latents and correspondence are not modified."""
    z, blocks = _latents(2), toy.batch(2).blocks
    with unmodified(component, z=z, blocks=blocks):
        _aggregate(component, z, blocks)


def _latents(n_modalities: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(7)
    names = toy.MODALITIES[:n_modalities]
    return {m: torch.randn(toy.BATCH_SIZE[m], toy.N_LATENT, generator=generator) for m in names}


def _reordered(z: dict[str, Tensor], order: dict[str, Tensor]) -> dict[str, Tensor]:
    return {m: latents[order[m]] for m, latents in z.items()}


def _aggregate(component: type[Aggregator], z: dict[str, Tensor], blocks: PairBlocks) -> dict[str, Tensor]:
    return build(component, tuple(z), toy.N_LATENT)(z, blocks)
