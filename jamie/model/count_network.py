"""What the decoders of counts share: the expected counts, and how far counts scatter about them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from jamie.model.skip_network import SkipNetwork

LEAST_COUNT = 1e-8  # expected counts stay above: of 0, the logarithm and its gradient are infinite
LARGEST_LOG = 9.2  # of dispersion, up or down: beyond 10,000 a negative binomial is a Poisson, and float32 fails


class CountNetwork(nn.Module):
    r"""Expected counts: size factor x total x proportions, the proportions a softmax over features.

    Parameters
    ----------
    n_in, n_features
        Latents and covariates together; features.
    widths, dropout
        Of the hidden layers.

    References
    ----------
    Lopez et al. 2018, 10.1038/s41592-018-0229-2, in which the total is the cell's own. Here the size factor is that
    total over the median, and the median is learned, so that a cell of unknown depth is decoded at the median depth.
    """

    def __init__(self, n_in: int, n_features: int, widths: Sequence[int] | None, dropout: float) -> None:
        super().__init__()
        self.proportions = SkipNetwork(n_in, n_features, widths, dropout)
        self.log_total = nn.Parameter(torch.tensor(float(n_features)).log())

    def forward(self, z: Tensor, covariates: Tensor | None, size_factor: Tensor | None) -> Tensor:
        """Return the expected counts (B, p)."""
        counts = self.log_total.exp() * self.proportions(z, covariates).softmax(1)
        counts = counts if size_factor is None else size_factor * counts
        return counts.clamp(min=LEAST_COUNT)

    @torch.no_grad()
    def initialize_output(self, mean: Tensor) -> None:
        """Predict about these counts (p,) before training."""
        log_mean = mean.clamp(min=1e-4).log()
        self.log_total.copy_(log_mean.logsumexp(0))
        self.proportions.initialize_output(log_mean - log_mean.mean())


class Dispersion(nn.Module):
    r"""A positive :math:`\theta` for each feature, learned: the variance of counts is mu + mu^2 / theta."""

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.log = nn.Parameter(torch.zeros(n_features))

    def forward(self) -> Tensor:
        """(p,)."""
        return self.log.clamp(-LARGEST_LOG, LARGEST_LOG).exp()

    @torch.no_grad()
    def initialize_output(self, mean: Tensor, variance: Tensor) -> None:
        """Fit mean and variance (p,) of the counts by the method of moments."""
        excess = (variance - mean).clamp(min=1e-4)
        self.log.copy_((mean.square().clamp(min=1e-8) / excess).log().clamp(-3, 5))
