"""What a model is made of: encoders, aggregators, decoders, and the losses and schedules that train them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, TypeAlias

from torch import Tensor, nn
from torch.distributions import Distribution

from jamie.core.batch import Batch, Output, PairBlocks, Posterior
from jamie.core.component import Component
from jamie.core.requirements import DATA_WORDS

Support: TypeAlias = Literal["real", "counts", "binary"]


class _Trained(Component, nn.Module):
    """A part of what is trained.

    A class that sets `member_axis` also computes several members of an ensemble in one call: tensors and parameters
    then have a leading axis of members, and what it returns has it as well. It is not inherited, as a subclass may
    compute something else. Where a part of a model lacks it, members are trained one after the other.
    """

    member_axis: ClassVar[bool] = False

    @classmethod
    def has_member_axis(cls) -> bool:
        """Whether this very class sets `member_axis`."""
        return bool(vars(cls).get("member_axis", False))


class _SizedNetwork(_Trained):
    """A network whose size may depend on the number of training cells, with covariates that the model sets."""

    reserved: ClassVar[frozenset[str]] = frozenset({"n_covariates"})

    @classmethod
    def complete_params(cls, params: Mapping[str, Any], n_cells: int) -> dict[str, Any]:
        """Return the parameters of a spec, with those that are null chosen for this number of training cells."""
        return dict(params)


class Encoder(_SizedNetwork):
    """Maps the preprocessed features of a cell to the posterior of its latents.

    An implementation's constructor is ``__init__(self, n_features, n_latent, *, n_covariates=0, ...)``;
    `n_covariates` is set by the model, the other keywords by the spec.

    Examples
    --------
    >>> import torch
    >>> class Linear(Encoder):
    ...     '''A linear map without variance.'''
    ...
    ...     name = "linear"
    ...
    ...     def __init__(self, n_features, n_latent, *, n_covariates: int = 0):
    ...         super().__init__()
    ...         self.map = torch.nn.Linear(n_features, n_latent)
    ...
    ...     def forward(self, x, covariates=None):
    ...         return Posterior(self.map(x))
    >>> Linear(5, 2)(torch.ones(3, 5)).mean.shape
    torch.Size([3, 2])
    """

    kind: ClassVar[str] = "encoder"

    @abstractmethod
    def forward(self, x: Tensor, covariates: Tensor | None = None) -> Posterior:
        """Encode x (B, n_features) with covariates (B, n_covariates) into a posterior over (B, n_latent)."""


class Decoder(_SizedNetwork):
    """Maps the latents of a cell to a distribution over its features.

    An implementation's constructor is ``__init__(self, n_latent, n_features, *, n_covariates=0, ...)``;
    `n_covariates` is set by the model, the other keywords by the spec. `support` is the support of its distribution:
    ``"real"`` (preprocessed features), ``"counts"`` or ``"binary"``; the target is checked for it before training. A
    decoder that sets `uses_size_factor` multiplies its mean by the size factor (B, 1) of each cell, its total
    over the median total of the training cells, and takes None as 1. The mean is the imputed value.

    Examples
    --------
    >>> import torch
    >>> class Linear(Decoder):
    ...     '''A linear map with unit variance.'''
    ...
    ...     name = "linear"
    ...
    ...     def __init__(self, n_latent, n_features, *, n_covariates: int = 0):
    ...         super().__init__()
    ...         self.map = torch.nn.Linear(n_latent, n_features)
    ...
    ...     def forward(self, z, covariates=None, size_factor=None):
    ...         return torch.distributions.Normal(self.map(z), 1.0)
    >>> Linear(2, 5)(torch.ones(3, 2)).mean.shape
    torch.Size([3, 5])
    """

    kind: ClassVar[str] = "decoder"
    support: ClassVar[Support] = "real"
    uses_size_factor: ClassVar[bool] = False

    @abstractmethod
    def forward(self, z: Tensor, covariates: Tensor | None = None, size_factor: Tensor | None = None) -> Distribution:
        """Decode z (B, n_latent) into a distribution over (B, n_features)."""

    def initialize_output(self, mean: Tensor, variance: Tensor) -> None:
        """Set, before training, what is predicted of any cell: mean and variance (n_features,) of the training cells.

        Counts are divided by the size factors first. They may be in the thousands, which training would take long to
        reach from 0. By default nothing is set.
        """


class Aggregator(_Trained):
    """Combines each cell's latents with those of corresponding cells; a cell without a partner keeps its own.

    An implementation's constructor is ``__init__(self, modalities, n_latent, *, ...)``.

    Examples
    --------
    >>> class Identity(Aggregator):
    ...     '''Keeps the latents as they are.'''
    ...
    ...     name = "identity"
    ...
    ...     def __init__(self, modalities, n_latent):
    ...         super().__init__()
    ...
    ...     def forward(self, z, blocks):
    ...         return dict(z)
    """

    kind: ClassVar[str] = "aggregator"

    @abstractmethod
    def forward(self, z: Mapping[str, Tensor], blocks: PairBlocks) -> dict[str, Tensor]:
        """Aggregate z[m] (B_m, L) over the correspondence `blocks` into (B_m, L) for each modality."""


class Loss(_Trained):
    """One unweighted term of the objective, a mean over cells; weight and schedule belong to the spec.

    `requires` names what the term reads beside the batch's own cells: ``"inferred"`` (an inferred correspondence),
    ``"known"`` (known pairs), ``"shared"`` (decoders that predict what the encoders read, so that decoded values can
    be encoded), and words of the data, such as ``"labels"``, which it finds in `Batch.elements`. `validates` means that
    the term measures prediction: such terms decide, on validation cells, when training stops and which state is kept.
    `regularizes` means that the weight of the term follows
    `training.reference_cells`.

    Examples
    --------
    >>> class LatentNorm(Loss):
    ...     '''Squared norm of the latents.'''
    ...
    ...     name = "latent_norm"
    ...
    ...     def forward(self, batch, output):
    ...         return sum(z.square().mean() for z in output.z.values())
    """

    kind: ClassVar[str] = "loss"
    reserved: ClassVar[frozenset[str]] = frozenset({"weight", "schedule"})
    readable: ClassVar[frozenset[str]] = DATA_WORDS
    other_words: ClassVar[frozenset[str]] = frozenset({"inferred", "known", "shared"})
    validates: ClassVar[bool] = False
    regularizes: ClassVar[bool] = False

    @abstractmethod
    def forward(self, batch: Batch, output: Output) -> Tensor:
        """Return the term as a scalar tensor with a gradient."""


class Schedule(Component):
    """Factor of a loss's weight over the epochs.

    Examples
    --------
    >>> class Linear(Schedule):
    ...     '''Rises from 0 to 1 over the horizon.'''
    ...
    ...     name = "linear"
    ...
    ...     def __call__(self, step, horizon):
    ...         return min(1.0, step / horizon)
    >>> Linear()(5, 10)
    0.5
    """

    kind: ClassVar[str] = "schedule"

    @abstractmethod
    def __call__(self, step: int, horizon: int) -> float:
        """Factor, >= 0, at epoch `step` (from 0) of a `horizon` (the least number of epochs, tau_min)."""
