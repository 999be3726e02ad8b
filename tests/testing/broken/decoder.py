"""Decoders that break their contract."""

import torch
from torch import nn
from torch.distributions import Independent, Normal, Poisson, StudentT

import jamie


class Sound(jamie.Decoder):
    """One linear layer."""

    def __init__(self, n_latent: int, n_features: int, *, n_covariates: int = 0) -> None:
        super().__init__()
        self.layer = nn.Linear(n_latent + n_covariates, n_features)

    def location(self, z, covariates):
        return self.layer(z if covariates is None else torch.cat([z, covariates], 1))

    def forward(self, z, covariates=None, size_factor=None):
        return Normal(self.location(z, covariates), 1.0)


class Bare(Sound):
    """Gives a tensor."""

    def forward(self, z, covariates=None, size_factor=None):
        return self.layer(z)


class Short(Sound):
    """Leaves a feature out."""

    def forward(self, z, covariates=None, size_factor=None):
        return Normal(self.layer(z)[:, :-1], 1.0)


class Joint(Sound):
    """Gives one likelihood for all features of a cell."""

    def forward(self, z, covariates=None, size_factor=None):
        return Independent(Normal(self.layer(z), 1.0), 1)


class Certain(Sound):
    """Is so certain that a likelihood overflows."""

    def forward(self, z, covariates=None, size_factor=None):
        return Normal(self.layer(z), torch.full((len(z), self.layer.out_features), 1e-45), validate_args=False)


class Detached(Sound):
    """Cuts the gradient to the latents off."""

    def location(self, z, covariates):
        return self.layer(z.detach())


class Frozen(Sound):
    """Has nothing to train."""

    def __init__(self, n_latent: int, n_features: int, *, n_covariates: int = 0) -> None:
        super().__init__(n_latent, n_features, n_covariates=n_covariates)
        self.requires_grad_(False)


class AlwaysDrops(Sound):
    """Drops latents in evaluation too."""

    def location(self, z, covariates):
        return self.layer(nn.functional.dropout(z, 0.5, training=True))


class CentresBatch(Sound):
    """Centres each minibatch, in evaluation too."""

    def location(self, z, covariates):
        return self.layer(z - z.mean(0))


class IgnoresCovariates(Sound):
    """Takes covariates and does not read them."""

    def location(self, z, covariates):
        return super().location(z, None if covariates is None else torch.zeros_like(covariates))


class Hidden(Sound):
    """Learns something that its state leaves out."""

    def __init__(self, n_latent: int, n_features: int, *, n_covariates: int = 0) -> None:
        super().__init__(n_latent, n_features, n_covariates=n_covariates)
        self.seen = 0.0

    def location(self, z, covariates):
        if self.training:
            self.seen = self.seen + float(z.abs().mean())
        return super().location(z, covariates) + self.seen


class InPlace(Sound):
    """Scales the latents in place."""

    def location(self, z, covariates):
        return super().location(z.mul_(2), covariates)


class CallsItReal(Sound):
    """Predicts counts, and says that they are real numbers."""

    def forward(self, z, covariates=None, size_factor=None):
        return Poisson(self.location(z, covariates).exp())


class UnknownSupport(Sound):
    """Has a support that nothing knows how to check."""

    support = "positive"


class Overflows(Sound):
    """Exponentiates what may be large."""

    support = "counts"

    def forward(self, z, covariates=None, size_factor=None):
        return Poisson(self.location(z, covariates).exp(), validate_args=False)


class Skewed(Normal):
    """Draws other values than its mean says."""

    def sample(self, sample_shape=()):
        return super().sample(sample_shape) + 1


class DrawsOthers(Sound):
    """Says a mean that is not that of what it draws."""

    def forward(self, z, covariates=None, size_factor=None):
        return Skewed(self.location(z, covariates), 1.0)


class Wild(Sound):
    """Has a variance that is not defined."""

    def forward(self, z, covariates=None, size_factor=None):
        return StudentT(0.5, self.location(z, covariates))


class IgnoresSizeFactor(Sound):
    """Says that it uses size factors, and does not."""

    uses_size_factor = True


class UndeclaredSizeFactor(Sound):
    """Uses size factors without saying so."""

    def forward(self, z, covariates=None, size_factor=None):
        return Normal(self.location(z, covariates) * (1 if size_factor is None else size_factor), 1.0)


class FirstMember(Sound):
    """Computes all members with the parameters of the first."""

    member_axis = True

    def location(self, z, covariates):
        weight, bias = self.layer.weight, self.layer.bias
        first = (weight, bias) if weight.ndim == 2 else (weight[0], bias[0])
        return nn.functional.linear(torch.cat([z, covariates], -1), *first)


BROKEN = {
    "check_member_axis": [(FirstMember, "each member as alone, at ")],
    "check_support_is_that_of_the_distribution": [
        (CallsItReal, r"the distribution's support: expected Real\(\), found IntegerGreaterThan\(lower_bound=0\)"),
        (UnknownSupport, "`support`: expected one of real, counts, binary, found positive"),
    ],
    "check_mean_and_variance_match_samples": [
        (DrawsOthers, "the mean is that of many samples: expected no more than chance apart, found"),
        (Wild, "the variance: expected none below 0"),
    ],
    "check_uses_size_factors_as_declared": [
        (IgnoresSizeFactor, "a size factor of 2 multiplies the mean by 2"),
        (UndeclaredSizeFactor, "a size factor of 2 multiplies the mean by 1"),
    ],
    "check_gives_a_distribution_of_each_feature": [
        (Bare, "decoder 'bare': forward: expected a Distribution, found Tensor"),
        (Short, r"the mean's shape: expected \(7, 19\), found \(7, 18\)"),
    ],
    "check_likelihood_is_finite": [
        (Joint, r"log_prob of each feature: expected \(7, 19\), found \(7,\)"),
        (Certain, "the log-likelihood: expected finite values"),
        (Overflows, "the log-likelihood, far from all cells: expected finite values"),
    ],
    "check_gradient_reaches_latents_and_parameters": [
        (Detached, "the gradient reaches the latents: expected one that is not zero, found none"),
        (Frozen, "it can be trained: expected a gradient that is not zero, found none"),
    ],
    "check_is_deterministic_in_evaluation": [
        (AlwaysDrops, "evaluation is deterministic"),
        (CentresBatch, "in evaluation a cell does not depend on the others"),
    ],
    "check_uses_covariates": [(IgnoresCovariates, "covariates change the mean: expected a difference, found none")],
    "check_state_can_be_restored": [(Hidden, r"state_dict\(\) restores it")],
    "check_leaves_inputs_alone": [(InPlace, r"inputs are never modified \(z\)")],
}
