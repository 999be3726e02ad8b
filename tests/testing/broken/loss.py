"""Losses that break their contract."""

from itertools import combinations

import torch

import jamie


class Sound(jamie.Loss):
    """Mean square of the latents."""

    def forward(self, batch, output):
        return torch.stack([z.square().mean() for z in output.z.values()]).sum()


class Peeks(Sound):
    """Reads labels without declaring them."""

    def forward(self, batch, output):
        return super().forward(batch, output) + batch.elements.labels("rna").sum()


class PerCell(Sound):
    """Gives a value for each cell."""

    def forward(self, batch, output):
        return output.z["rna"].square().mean(1)


class DividesByPairs(Sound):
    """Divides by the number of pairs, which may be zero."""

    def forward(self, batch, output):
        return super().forward(batch, output) / sum(f.sum() for f in batch.blocks.by_pair.values())


class Undeclared(Sound):
    """Reads the inferred correspondence without saying so."""

    def forward(self, batch, output):
        if batch.inferred is None:
            return torch.tensor(float("nan"))
        return super().forward(batch, output)


class Detached(Sound):
    """Cuts the gradient off."""

    def forward(self, batch, output):
        return super().forward(batch, output).detach()


class Flat(Sound):
    """Does not depend on the model."""

    def forward(self, batch, output):
        return 0 * super().forward(batch, output)


class InfiniteGradient(Sound):
    """Takes the root of zero."""

    def forward(self, batch, output):
        return (0 * output.z["rna"]).sum().sqrt() + super().forward(batch, output)


class Total(Sound):
    """Is a sum over cells."""

    def forward(self, batch, output):
        return torch.stack([z.square().sum() for z in output.z.values()]).sum()


class OverAllPairs(Sound):
    """Divides by all possible pairs."""

    def forward(self, batch, output):
        terms = [
            (batch.blocks.between(a, b) * torch.cdist(output.z[a], output.z[b])).mean()
            for a, b in combinations(output.z, 2)
        ]
        return torch.stack(terms).sum()


class ByRow(Sound):
    """Takes cells in one row for partners."""

    def forward(self, batch, output):
        rna, atac = output.z["rna"], output.z["atac"]
        return (rna - atac[: len(rna)]).square().mean()


class Sharpens(Sound):
    """Rounds the correspondence in place."""

    def forward(self, batch, output):
        for block in batch.blocks.by_pair.values():
            block.round_().add_(1)
        return super().forward(batch, output)


class Weighs(Sound):
    """Weighs itself."""

    def __init__(self, *, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = weight


class Relative(Sound):
    """Takes the logarithm of values, which may be 0 where they are counts."""

    def forward(self, batch, output):
        return sum((output.reconstruct(m).mean.detach() / target).log().mean() for m, target in batch.target.items())


class SumsMembers(Sound):
    """Gives one value for all members."""

    member_axis = True


class CountsEmptyRows(Sound):
    """Counts rows that hold no cell."""

    member_axis = True

    def forward(self, batch, output):
        return sum(z.square().mean((-2, -1)) for z in output.z.values())


BROKEN = {
    "check_member_axis": [
        (SumsMembers, r"a value of each member: expected shape \(2,\), found shape \(\)"),
        (CountsEmptyRows, "a value of each member, at "),
    ],
    "check_is_finite_for_counts": [
        (Relative, "loss 'relative': a finite value where decoders predict counts: expected finite values"),
    ],
    "check_is_a_finite_scalar": [
        (PerCell, r"loss 'per_cell': a scalar \(2 modalities, some cells matched\)"),
        (Peeks, r"loss 'peeks': reads labels for training without declaring it\n  add \"labels\" to its `requires`"),
        (DividesByPairs, r"a finite value \(2 modalities, no cells matched\)"),
        (Undeclared, "loss 'undeclared': a finite value"),
    ],
    "check_gradient_reaches_the_model": [
        (Detached, "has a gradient: expected one that reaches the model, found none"),
        (Flat, "the gradient moves the model: expected one that is not zero, found zeros"),
        (InfiniteGradient, "the gradient: expected finite values"),
    ],
    "check_is_a_mean_over_cells": [
        (Total, "loss 'total': a mean over cells: each cell twice changes nothing"),
        (OverAllPairs, "loss 'over_all_pairs': a mean over cells"),
    ],
    "check_ignores_the_order_of_cells": [(ByRow, "loss 'by_row': the order of cells means nothing")],
    "check_leaves_inputs_alone": [
        (Sharpens, r"inputs are never modified \(batch\.blocks\.by_pair\.\('rna', 'atac'\)\)")
    ],
    "check_has_no_weight_of_its_own": [
        (Weighs, r"weight and schedule belong to the spec: expected other keywords, found \['weight'\]"),
    ],
}
