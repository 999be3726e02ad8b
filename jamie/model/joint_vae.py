"""The joint VAE: one encoder and one decoder for each modality, tied by an aggregator."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from jamie.core.batch import Batch, Output, PairBlocks, Posterior
from jamie.core.errors import ContractError
from jamie.core.interfaces import Aggregator, Decoder, Encoder
from jamie.model.layers import Dropout
from jamie.model.members import Generators, normal_like
from jamie.model.shares import Share, computes_cells_together


class JointVAE(nn.Module):
    """Encoders, aggregator and decoders of any number of modalities (Algorithm 1, lines 12-15).

    Parameters
    ----------
    encoders, decoders
        Of each modality, in the same order.
    aggregator
        Combines the latents of corresponding cells.
    n_latent
        L.
    n_targets
        Features that each decoder predicts.
    batch_frequencies
        (C,) of each modality: frequencies of the batches among the training cells. They replace the one-hot batch of
        cells whose batch is unknown, or was not among the modality's training cells. None without covariates.

    Raises
    ------
    ContractError
        On use, if a component returns an object of wrong type or shape.
    """

    batch_frequencies: Tensor | None
    generators: Generators = ()

    def __init__(
        self,
        encoders: Mapping[str, Encoder],
        decoders: Mapping[str, Decoder],
        aggregator: Aggregator,
        n_latent: int,
        n_targets: Mapping[str, int],
        batch_frequencies: Mapping[str, Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.modalities = tuple(encoders)
        # Lists, since a ModuleDict refuses names with a dot, which modalities may have.
        self.encoders = nn.ModuleList(encoders.values())
        self.decoders = nn.ModuleList(decoders[m] for m in self.modalities)
        self.aggregator = aggregator
        self.n_latent, self.n_targets = n_latent, dict(n_targets)
        self._index = {m: i for i, m in enumerate(self.modalities)}
        frequencies = torch.stack([batch_frequencies[m] for m in self.modalities]) if batch_frequencies else None
        self.register_buffer("batch_frequencies", frequencies)
        self.precision: torch.dtype | None = None  # of encoders and decoders; None for that of their weights
        self._shares: list[Share | None] = [None] * (2 * len(self.modalities))  # of encoders, then decoders

    @property
    def parts(self) -> tuple[Encoder | Decoder | Aggregator, ...]:
        """All components."""
        return (*self.encoders, *self.decoders, self.aggregator)

    def set_generators(self, generators: Generators) -> None:
        """Draw the noise of training, each member's from its own generator; () draws it from torch's global one."""
        for module in self.modules():
            if isinstance(module, JointVAE | Dropout):
                module.generators = generators

    def set_share(self, share: Share | None) -> None:
        """Let encoders and decoders compute a share of each minibatch; None for all of it.

        Those that compute cells together go on with all.
        """
        parts = [*self.encoders, *self.decoders]
        self._shares = [None if computes_cells_together(part) else share for part in parts]
        for part, own in zip(parts, self._shares, strict=True):
            for module in part.modules():
                if isinstance(module, Dropout):
                    module.share = own

    def forward(self, batch: Batch) -> Output:
        """Encode, sample (in training), and aggregate; losses decode on demand."""

        def decoder(latent: Tensor, source: str, target: str) -> Distribution:
            return self.decode(target, latent, batch.covariates.get(source), batch.size_factor_for(source, target))

        def encoder(values: Tensor, source: str, modality: str) -> Posterior:
            return self.encode(modality, values, batch.covariates.get(source))

        posterior = {m: self.encode(m, x, batch.covariates.get(m)) for m, x in batch.x.items()}
        z = {m: self._sample(p) for m, p in posterior.items()}
        return Output(posterior, z, self.aggregate(z, batch.blocks), decoder, encoder)

    def encode(self, modality: str, x: Tensor, covariates: Tensor | None = None) -> Posterior:
        """Posterior of the latents of cells x (B, d) of one modality, in batches given by covariates (B, C)."""
        encoder, share = self.encoders[self._index[modality]], self._shares[self._index[modality]]
        x, covariates = _take(share, x, self.known_covariates(modality, covariates, x.shape[-2]))
        with self._autocast(x):
            posterior = encoder(x, covariates)
        expected = (*x.shape[:-1], self.n_latent)
        if not isinstance(posterior, Posterior):
            raise _broken(encoder, f"a Posterior over {expected}", posterior)
        for part in (posterior.mean, posterior.logvar):
            if part is not None and _shape(part) != expected:
                raise _broken(encoder, f"a Posterior over {expected}", part)
        if self.precision is not None:
            logvar = None if posterior.logvar is None else posterior.logvar.float()
            posterior = Posterior(posterior.mean.float(), logvar)
        return posterior if share is None else share.gather_posterior(posterior)

    def aggregate(self, z: Mapping[str, Tensor], blocks: PairBlocks) -> Mapping[str, Tensor]:
        """Aggregate latents z[m] (B_m, L) of each modality over the correspondence `blocks`."""
        aggregated = self.aggregator(z, blocks)
        if not isinstance(aggregated, Mapping) or aggregated.keys() != z.keys():
            raise _broken(self.aggregator, f"latents of {', '.join(z)}", aggregated)
        for m, latents in aggregated.items():
            if _shape(latents) != z[m].shape:
                raise _broken(self.aggregator, f"latents of {m} over {tuple(z[m].shape)}", latents)
        return aggregated

    def decode(
        self, modality: str, z: Tensor, covariates: Tensor | None = None, size_factor: Tensor | None = None
    ) -> Distribution:
        """Distribution of the features of one modality, from latents z (B, L) of any and covariates (B, C)."""
        decoder, share = self.decoders[self._index[modality]], self._shares[len(self.encoders) + self._index[modality]]
        z, covariates, size_factor = _take(
            share, z, self.known_covariates(modality, covariates, z.shape[-2]), size_factor
        )
        with self._autocast(z):
            distribution = decoder(z, covariates, size_factor)
        expected = (*z.shape[:-1], self.n_targets[modality])
        if not isinstance(distribution, Distribution):
            raise _broken(decoder, f"a torch Distribution over {expected}", distribution)
        if distribution.batch_shape != expected:
            raise _broken(decoder, f"a torch Distribution over {expected}", tuple(distribution.batch_shape))
        return distribution if share is None else share.gather_distribution(distribution)

    def _autocast(self, like: Tensor) -> AbstractContextManager[object]:
        return nullcontext() if self.precision is None else torch.autocast(like.device.type, self.precision)

    def known_covariates(self, modality: str, covariates: Tensor | None, n_cells: int) -> Tensor | None:
        """Covariates (B, C) in which the modality's frequencies replace batches that are unknown or new to it.

        None without a batch key.
        """
        if self.batch_frequencies is None:
            return None
        usual = self.batch_frequencies[..., self._index[modality], :].unsqueeze(-2)
        if covariates is None:
            return usual.expand(*usual.shape[:-2], n_cells, -1)
        seen = covariates * (usual > 0)
        return seen + (1 - seen.sum(-1, keepdim=True)) * usual

    def _sample(self, posterior: Posterior) -> Tensor:
        if not self.training or posterior.logvar is None:
            return posterior.mean
        return posterior.mean + torch.exp(0.5 * posterior.logvar) * normal_like(posterior.mean, self.generators)


def _take(share: Share | None, cells: Tensor, *more: Tensor | None) -> tuple[Any, ...]:
    """Return this process's rows of the cells and of what else is known of them."""
    if share is None:
        return cells, *more
    share.n_cells = cells.shape[-2]
    return tuple(None if values is None else share.take(values) for values in (cells, *more))


def _shape(value: object) -> tuple[int, ...] | None:
    return tuple(value.shape) if isinstance(value, Tensor) else None


def _broken(part: nn.Module, expected: str, found: object) -> ContractError:
    shown = f"shape {_shape(found)}" if isinstance(found, Tensor) else found
    if not isinstance(shown, str | tuple):
        shown = ", ".join(map(str, shown)) if isinstance(shown, Mapping) else type(shown).__name__
    return ContractError(
        f"expected forward to return {expected}, found {shown}",
        where=f"{part.kind} '{part.name}'",
        fix="try it by itself with the checks of jamie.testing",
    )
