"""Regressions whose imputations are averaged with those of the networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import torch
from torch import Tensor, nn

from jamie.core.prefixes import select_prefix


class StackedRegressions(nn.Module):
    """x (n, r) -> w f(x) + (1 - w) g, where f are weighted regressions and g (n, t) is what the networks impute.

    ``f(x) = x B + b + sum_k K_k(x) A_k`` for inputs that are clipped to the range of the training cells: linear
    regressions come to one matrix B, each kernel regression keeps its own kernel.

    Parameters
    ----------
    weight
        w, from 0 (networks only) to 1 (regressions only).
    low, high : (r,)
        Range of the inputs.
    matrix : (r, t)
        B.
    offset : (t,)
        b.
    kernels
        K with their coefficients A.
    """

    weight: Tensor
    low: Tensor
    high: Tensor
    matrix: Tensor
    offset: Tensor

    def __init__(
        self,
        weight: Tensor,
        low: Tensor,
        high: Tensor,
        matrix: Tensor,
        offset: Tensor,
        kernels: Sequence[GaussianKernel] = (),
    ) -> None:
        super().__init__()
        for name, value in {"weight": weight, "low": low, "high": high, "matrix": matrix, "offset": offset}.items():
            self.register_buffer(name, value.float())
        self.kernels = nn.ModuleList(kernels)

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """Return the stack whose `state_dict` is given."""
        n_kernels = len({key.split(".")[1] for key in state if key.startswith("kernels.")})
        kernels = [GaussianKernel(**select_prefix(f"kernels.{i}", state)) for i in range(n_kernels)]
        return cls(**{key: value for key, value in state.items() if "." not in key}, kernels=kernels)

    def forward(self, x: Tensor) -> Tensor:
        """(n, t) what the regressions alone predict of inputs (n, r)."""
        x = torch.maximum(torch.minimum(x, self.high), self.low)
        predicted: Tensor = x @ self.matrix + self.offset
        for kernel in self.kernels:
            predicted = predicted + kernel(x)
        return predicted

    def average(self, x: Tensor, imputed: Tensor) -> Tensor:
        """(n, t) mean of what the regressions predict of inputs (n, r), and what the networks impute (n, t)."""
        return self.weight * self(x) + (1 - self.weight) * imputed


class GaussianKernel(nn.Module):
    """x (n, r) -> ``sum_i exp(-|z - c_i|^2 / 2 h^2) a_i``, with z the leading axes of x, of norm 1 if `cosine`.

    Parameters
    ----------
    mean : (r,)
        Subtracted from x.
    axes : (r, q)
        z = (x - mean) axes.
    centers : (m, q)
        c.
    dual : (m, t)
        a.
    bandwidth
        h.
    cosine
        Whether z is divided by its norm, so that distances are those of directions.
    """

    mean: Tensor
    axes: Tensor
    centers: Tensor
    dual: Tensor
    bandwidth: Tensor
    cosine: Tensor

    def __init__(
        self, mean: Tensor, axes: Tensor, centers: Tensor, dual: Tensor, bandwidth: Tensor, cosine: Tensor
    ) -> None:
        super().__init__()
        values = {"mean": mean, "axes": axes, "centers": centers, "dual": dual, "bandwidth": bandwidth}
        for name, value in values.items():
            self.register_buffer(name, value.float())
        self.register_buffer("cosine", cosine.bool())

    def forward(self, x: Tensor) -> Tensor:
        """(n, t) of inputs (n, r)."""
        z = (x - self.mean) @ self.axes
        if self.cosine:
            z = nn.functional.normalize(z, dim=1)
        squares = (z.square().sum(1, keepdim=True) - 2 * z @ self.centers.T + self.centers.square().sum(1)).clamp(min=0)
        predicted: Tensor = torch.exp(-squares / (2 * self.bandwidth**2)) @ self.dual
        return predicted
