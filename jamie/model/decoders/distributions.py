"""Distributions of counts, parameterized so that networks are numerically stable."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, NegativeBinomial, constraints
from torch.distributions.utils import broadcast_all
from torch.nn.functional import logsigmoid


def negative_binomial(mean: Tensor, dispersion: Tensor) -> NegativeBinomial:
    r"""Negative binomial of a mean :math:`\mu` and an inverse dispersion :math:`\theta`: variance mu + mu^2 / theta.

    Parameters
    ----------
    mean, dispersion
        Positive, of shapes that broadcast.
    """
    return NegativeBinomial(dispersion, logits=mean.log() - dispersion.log(), validate_args=False)


class ZeroInflatedNegativeBinomial(Distribution):
    r"""A negative binomial in which a count is lost, and read as 0, with a probability of its own.

    .. math:: P(x) = \pi\,[x = 0] + (1 - \pi)\,\mathrm{NB}(x; \mu, \theta)

    Parameters
    ----------
    mean, dispersion
        Positive :math:`\mu` and :math:`\theta` of the negative binomial.
    gate
        Logits of :math:`\pi`.

    References
    ----------
    Lopez et al. 2018, 10.1038/s41592-018-0229-2.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {
        "mu": constraints.positive,
        "dispersion": constraints.positive,
        "gate": constraints.real,
    }
    support = constraints.nonnegative_integer

    def __init__(self, mean: Tensor, dispersion: Tensor, gate: Tensor, validate_args: bool | None = None) -> None:
        self.mu, self.dispersion, self.gate = broadcast_all(mean, dispersion, gate)
        super().__init__(self.mu.shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> ZeroInflatedNegativeBinomial:
        """Return the same distribution with its parameters expanded to a larger shape."""
        mu, dispersion, gate = (part.expand(batch_shape) for part in (self.mu, self.dispersion, self.gate))
        return ZeroInflatedNegativeBinomial(mu, dispersion, gate, validate_args=False)

    @property
    def mean(self) -> Tensor:
        return torch.sigmoid(-self.gate) * self.mu

    @property
    def variance(self) -> Tensor:
        lost = torch.sigmoid(self.gate)
        return (1 - lost) * (self.mu + self.mu.square() * (1 / self.dispersion + lost))

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-probability of counts, of a shape that broadcasts."""
        if self._validate_args:
            self._validate_sample(value)
        counted = logsigmoid(-self.gate) + self._counts().log_prob(value)
        return torch.where(value == 0, torch.logaddexp(logsigmoid(self.gate), counted), counted)

    @torch.no_grad()
    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Draw counts."""
        counts = self._counts().sample(torch.Size(sample_shape))
        return torch.where(torch.rand_like(counts) < torch.sigmoid(self.gate), 0, counts)

    def _counts(self) -> NegativeBinomial:
        return negative_binomial(self.mu, self.dispersion)
