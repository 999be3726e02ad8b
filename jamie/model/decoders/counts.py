"""Decoders of counts and of binary values: a network and a linear path beside it, started at the mean."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Distribution, Poisson

from jamie.core.interfaces import Decoder
from jamie.core.interfaces.model import Support
from jamie.model.decoders.distributions import ZeroInflatedNegativeBinomial, negative_binomial
from jamie.model.layers import DropoutRate, LinearLayer, SkipNetwork, Widths, start_constant, with_covariates

LEAST_COUNT = 1e-8  # lower bound of expected counts: of 0, the logarithm and its gradient are infinite
LARGEST_LOG = 9.2  # of dispersion, up or down: beyond 10,000 a negative binomial is a Poisson, and float32 fails
LARGEST_LOGIT = 15.0  # beyond, a probability is 0 or 1 in float32
FIRST_GATE = -3.0  # logit before training: 1 in 21 counts is lost


class _SkipDecoder(Decoder):
    """A `SkipNetwork`, and the constructor of the decoders that need no other parameters."""

    def __init__(
        self,
        n_latent: int,
        n_features: int,
        *,
        n_covariates: int = 0,
        widths: Widths | None = None,
        dropout: DropoutRate = 0.0,
    ) -> None:
        super().__init__()
        self.network = SkipNetwork(n_latent + n_covariates, n_features, widths, dropout)
        self._extend(n_latent + n_covariates, n_features)

    def _extend(self, n_in: int, n_features: int) -> None:
        """Add what is learned beside the network."""

    @classmethod
    def test_params(cls) -> dict[str, object]:
        return {"dropout": 0.1}


class BernoulliDecoder(_SkipDecoder):
    r"""Values that are 0 or 1, such as open and closed peaks or methylation calls.

    .. math:: x_{ij} \sim \mathrm{Bernoulli}\left(\sigma(f(z_i)_j)\right)

    Parameters
    ----------
    widths
        Widths of the hidden layers, beside which there is a linear path; null for one of 128 units.
    dropout
        Probability of dropping a hidden unit in training.
    """

    name: ClassVar[str] = "bernoulli"
    references: ClassVar[tuple[str, ...]] = ("10.48550/arXiv.1312.6114",)
    member_axis: ClassVar[bool] = True
    support: ClassVar[Support] = "binary"

    def forward(self, z: Tensor, covariates: Tensor | None = None, size_factor: Tensor | None = None) -> Bernoulli:
        logits = self.network(z, covariates)
        return Bernoulli(logits=logits.clamp(-LARGEST_LOGIT, LARGEST_LOGIT), validate_args=False)

    def initialize_output(self, mean: Tensor, variance: Tensor) -> None:
        self.network.initialize_output(torch.logit(mean, eps=1e-3))


class _CountDecoder(_SkipDecoder):
    """Expected counts: size factor x total x proportions, the proportions a softmax over features.

    In the reference (Lopez et al. 2018, 10.1038/s41592-018-0229-2) the total is the cell's own. Here the size factor is
    that total over the median, and the median is learned, so that a cell of unknown depth is decoded at the median.
    """

    support: ClassVar[Support] = "counts"
    uses_size_factor: ClassVar[bool] = True

    def _extend(self, n_in: int, n_features: int) -> None:
        self.log_total = nn.Parameter(torch.tensor(float(n_features)).log())

    def forward(self, z: Tensor, covariates: Tensor | None = None, size_factor: Tensor | None = None) -> Distribution:
        counts = self.log_total.exp()[..., None, None] * self.network(z, covariates).softmax(-1)
        counts = counts if size_factor is None else size_factor * counts
        return self._distribution(counts.clamp(min=LEAST_COUNT), with_covariates(z, covariates))

    def _distribution(self, mean: Tensor, z: Tensor) -> Distribution:
        """Distribution of counts of this mean (B, p), from latents with covariates (B, n_in)."""
        raise NotImplementedError

    @torch.no_grad()
    def initialize_output(self, mean: Tensor, variance: Tensor) -> None:
        log_mean = mean.clamp(min=1e-4).log()
        self.log_total.copy_(log_mean.logsumexp(0))
        self.network.initialize_output(log_mean - log_mean.mean())


class PoissonDecoder(_CountDecoder):
    r"""Counts that scatter by sampling alone, such as fragments in peaks.

    .. math:: x_{ij} \sim \mathrm{Poisson}\left(s_i\, T\, \mathrm{softmax}(f(z_i))_j\right)

    s is the cell's size factor (its total over the median total), T the median total, which is learned.

    Parameters
    ----------
    widths
        Widths of the hidden layers, beside which there is a linear path; null for one of 128 units.
    dropout
        Probability of dropping a hidden unit in training.
    """

    name: ClassVar[str] = "poisson"
    references: ClassVar[tuple[str, ...]] = ("10.1038/s41592-023-02112-6",)
    member_axis: ClassVar[bool] = True

    def _distribution(self, mean: Tensor, z: Tensor) -> Poisson:
        return Poisson(mean, validate_args=False)


class NegativeBinomialDecoder(_CountDecoder):
    r"""Counts that scatter more than by sampling alone: negative binomial, with a dispersion of each feature.

    .. math:: x_{ij} \sim \mathrm{NB}\left(s_i\, T\, \mathrm{softmax}(f(z_i))_j,\; \theta_j\right)

    s is the cell's size factor (its total over the median total), T the median total, theta the inverse dispersion;
    T and theta are learned.

    Parameters
    ----------
    widths
        Widths of the hidden layers, beside which there is a linear path; null for one of 128 units.
    dropout
        Probability of dropping a hidden unit in training.
    """

    name: ClassVar[str] = "negative_binomial"
    references: ClassVar[tuple[str, ...]] = ("10.1038/s41592-018-0229-2",)
    member_axis: ClassVar[bool] = True

    def _extend(self, n_in: int, n_features: int) -> None:
        super()._extend(n_in, n_features)
        self.dispersion = Dispersion(n_features)

    def _distribution(self, mean: Tensor, z: Tensor) -> Distribution:
        return negative_binomial(mean, self.dispersion())

    def initialize_output(self, mean: Tensor, variance: Tensor) -> None:
        super().initialize_output(mean, variance)
        self.dispersion.initialize_output(mean, variance)


class ZeroInflatedNegativeBinomialDecoder(NegativeBinomialDecoder):
    r"""Counts with more zeros than a negative binomial has: each is lost with a probability of its own.

    .. math::

        x_{ij} \sim \pi_{ij} \delta_0 + (1 - \pi_{ij})\,
        \mathrm{NB}\left(s_i\, T\, \mathrm{softmax}(f(z_i))_j,\; \theta_j\right)

    As `negative_binomial`, with the logit of pi a linear map of the latents. The imputed value is the mean,
    (1 - pi) mu.

    Parameters
    ----------
    widths
        Widths of the hidden layers, beside which there is a linear path; null for one of 128 units.
    dropout
        Probability of dropping a hidden unit in training.
    """

    name: ClassVar[str] = "zero_inflated_negative_binomial"
    member_axis: ClassVar[bool] = True

    def _extend(self, n_in: int, n_features: int) -> None:
        super()._extend(n_in, n_features)
        self.gate = start_constant(LinearLayer(n_in, n_features), FIRST_GATE)

    def _distribution(self, mean: Tensor, z: Tensor) -> Distribution:
        gate = self.gate(z).float().clamp(-LARGEST_LOGIT, LARGEST_LOGIT)
        return ZeroInflatedNegativeBinomial(mean, self.dispersion(), gate, validate_args=False)


class Dispersion(nn.Module):
    r"""A positive :math:`\theta` for each feature, learned: the variance of counts is mu + mu^2 / theta."""

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.log = nn.Parameter(torch.zeros(n_features))

    def forward(self) -> Tensor:
        """(1, p)."""
        return self.log.clamp(-LARGEST_LOG, LARGEST_LOG).exp().unsqueeze(-2)

    @torch.no_grad()
    def initialize_output(self, mean: Tensor, variance: Tensor) -> None:
        """Fit mean and variance (p,) of the counts by the method of moments."""
        excess = (variance - mean).clamp(min=1e-4)
        self.log.copy_((mean.square().clamp(min=1e-8) / excess).log().clamp(-3, 5))
