"""Aggregators that break their contract."""

import torch

import jamie
from jamie.testing import toy


class Sound(jamie.Aggregator):
    """Mean over partners."""

    def __init__(self, modalities, n_latent: int) -> None:
        super().__init__()

    def forward(self, z, blocks):
        return toy.aggregate(z, blocks)


class FirstTwo(Sound):
    """Knows two modalities only."""

    def forward(self, z, blocks):
        return dict(list(super().forward(z, blocks).items())[:2])


class Divides(Sound):
    """Divides by the mass, which may be zero."""

    def forward(self, z, blocks):
        (a, b), block = next(iter(blocks.by_pair.items())) if blocks.by_pair else (tuple(z)[:2], None)
        return {**z, a: z[a] if block is None else (block @ z[b]) / block.sum(1, keepdim=True)}


class Shrinks(Sound):
    """Shrinks cells without a partner."""

    def forward(self, z, blocks):
        given = {(a, b): f for (a, b), f in blocks.by_pair.items() if f.sum()}
        return {m: v / 2 for m, v in super().forward(z, blocks).items()} if given else dict(z)


class Averages(Sound):
    """Averages over the minibatch where nothing is known."""

    def forward(self, z, blocks):
        if any(f.sum() for f in blocks.by_pair.values()):
            return super().forward(z, blocks)
        return {m: v.mean(0).expand_as(v) for m, v in z.items()}


class ByRow(Sound):
    """Lets the first cell count for more."""

    def forward(self, z, blocks):
        weight = {m: 1 + torch.arange(len(v))[:, None] / 10 for m, v in z.items()}
        return toy.aggregate({m: v * weight[m] for m, v in z.items()}, blocks)


class Detached(Sound):
    """Cuts one modality's gradient off."""

    def forward(self, z, blocks):
        return super().forward({m: v.detach() if m == "atac" else v for m, v in z.items()}, blocks)


class Normalises(Sound):
    """Normalises the correspondence in place."""

    def forward(self, z, blocks):
        for block in blocks.by_pair.values():
            block /= block.sum() + 1
        return super().forward(z, blocks)


class MixesMembers(Sound):
    """Takes the mean over members as well."""

    member_axis = True

    def forward(self, z, blocks):
        aggregated = super().forward(z, blocks)
        return {m: v.mean(0, keepdim=True).expand_as(v) if v.ndim > 2 else v for m, v in aggregated.items()}


BROKEN = {
    "check_member_axis": [(MixesMembers, "members in rna, at ")],
    "check_keeps_shapes": [
        (FirstTwo, r"gives each modality: expected \['rna', 'atac', 'protein'\], found \['rna', 'atac'\]"),
        (Divides, "aggregator 'divides': the latents of rna: expected finite values"),
    ],
    "check_keeps_unmatched_cells": [(Shrinks, "a cell of rna without a partner keeps its latents")],
    "check_changes_nothing_without_pairs": [(Averages, r"without pairs the latents stay as they are \(rna\)")],
    "check_follows_cells_in_another_order": [(ByRow, r"follows cells in another order \(rna\)")],
    "check_gradient_reaches_latents": [(Detached, r"reaches all latents: expected finite, found \['atac'\]")],
    "check_leaves_inputs_alone": [(Normalises, r"inputs are never modified \(blocks\.by_pair")],
}
