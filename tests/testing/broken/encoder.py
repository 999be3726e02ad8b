"""Encoders that break their contract."""

import torch
from torch import nn

import jamie


class Sound(jamie.Encoder):
    """One linear layer with dropout before it."""

    def __init__(self, n_features: int, n_latent: int, *, n_covariates: int = 0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.5)
        self.mean = nn.Linear(n_features + n_covariates, n_latent)
        self.logvar = nn.Linear(n_features + n_covariates, n_latent)

    def inputs(self, x, covariates):
        return self.dropout(x if covariates is None else torch.cat([x, covariates], 1))

    def forward(self, x, covariates=None):
        h = self.inputs(x, covariates)
        return jamie.Posterior(self.mean(h), self.logvar(h))


class Tuple(Sound):
    """Gives a tuple."""

    def forward(self, x, covariates=None):
        return self.mean(x), self.logvar(x)


class OneVariance(Sound):
    """Gives one log-variance for all latents."""

    def forward(self, x, covariates=None):
        return jamie.Posterior(self.mean(x), self.logvar(x)[:, :1])


class Logarithm(Sound):
    """Takes the logarithm of what may be negative."""

    def forward(self, x, covariates=None):
        return jamie.Posterior(self.mean(x), torch.log(self.logvar(x)))


class NoVariance(Sound):
    """Trains a log-variance that nothing reads."""

    def forward(self, x, covariates=None):
        return jamie.Posterior(self.mean(self.inputs(x, covariates)))


class Detached(Sound):
    """Cuts the gradient off."""

    def forward(self, x, covariates=None):
        found = super().forward(x, covariates)
        return jamie.Posterior(found.mean * 0, found.logvar * 0)


class AlwaysDrops(Sound):
    """Drops features in evaluation too."""

    def forward(self, x, covariates=None):
        return jamie.Posterior(self.mean(nn.functional.dropout(x, 0.5, training=True)))


class CentresBatch(Sound):
    """Centres each minibatch, in evaluation too."""

    def forward(self, x, covariates=None):
        return super().forward(x - x.mean(0), covariates)


class IgnoresCovariates(Sound):
    """Takes covariates and does not read them."""

    def inputs(self, x, covariates):
        return super().inputs(x, None if covariates is None else torch.zeros_like(covariates))


class Hidden(Sound):
    """Learns something that its state leaves out."""

    def __init__(self, n_features: int, n_latent: int, *, n_covariates: int = 0) -> None:
        super().__init__(n_features, n_latent, n_covariates=n_covariates)
        self.seen = 0.0

    def forward(self, x, covariates=None):
        if self.training:
            self.seen = self.seen + float(x.abs().mean())
        found = super().forward(x, covariates)
        return jamie.Posterior(found.mean + self.seen, found.logvar)


class InPlace(Sound):
    """Rectifies the features in place."""

    def forward(self, x, covariates=None):
        return super().forward(x.relu_(), covariates)


class FirstMember(Sound):
    """Computes all members with the parameters of the first."""

    member_axis = True

    def forward(self, x, covariates=None):
        h = self.dropout(torch.cat([x, covariates], -1))
        return jamie.Posterior(*(with_first(layer, h) for layer in (self.mean, self.logvar)))


def with_first(layer, h):
    weight, bias = (p if p.ndim == n else p[0] for p, n in ((layer.weight, 2), (layer.bias, 1)))
    return nn.functional.linear(h, weight, bias)


BROKEN = {
    "check_member_axis": [(FirstMember, "each member as alone, at ")],
    "check_gives_a_posterior_of_each_cell": [
        (Tuple, "encoder 'tuple': forward: expected a Posterior, found tuple"),
        (OneVariance, r"encoder 'one_variance': shape: expected \(7, 3\), found torch.Size\(\[7, 1\]\)"),
        (Logarithm, "encoder 'logarithm': the posterior: expected finite values, found"),
    ],
    "check_gradient_reaches_all_parameters": [
        (NoVariance, r"all parameters: expected none idle, found \['logvar.weight', 'logvar.bias'\]"),
        (Detached, "it can be trained: expected a gradient that is not zero, found none"),
    ],
    "check_is_deterministic_in_evaluation": [
        (AlwaysDrops, "evaluation is deterministic"),
        (CentresBatch, "in evaluation a cell does not depend on the others"),
    ],
    "check_uses_covariates": [(IgnoresCovariates, "covariates change the mean: expected a difference, found none")],
    "check_state_can_be_restored": [(Hidden, r"state_dict\(\) restores it")],
    "check_leaves_inputs_alone": [(InPlace, r"inputs are never modified \(x\)")],
}
