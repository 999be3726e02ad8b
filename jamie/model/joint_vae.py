"""The joint VAE: one encoder and one decoder for each modality, tied by an aggregator."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from jamie.core.batch import Batch, Output, Posterior
from jamie.core.interfaces import Aggregator, Decoder, Encoder


class JointVAE(nn.Module):
    """Encoders, aggregator and decoders of any number of modalities (Algorithm 1, lines 12-15).

    Parameters
    ----------
    encoders, decoders
        Of each modality, in the same order.
    aggregator
        Combines the latents of corresponding cells.
    """

    def __init__(
        self, encoders: Mapping[str, Encoder], decoders: Mapping[str, Decoder], aggregator: Aggregator
    ) -> None:
        super().__init__()
        self.modalities = tuple(encoders)
        # Lists, since a ModuleDict refuses names with a dot, which modalities may have.
        self.encoders = nn.ModuleList(encoders.values())
        self.decoders = nn.ModuleList(decoders[m] for m in self.modalities)
        self.aggregator = aggregator
        self._index = {m: i for i, m in enumerate(self.modalities)}

    def forward(self, batch: Batch) -> Output:
        """Encode, sample (in training), and aggregate; decoding waits until a loss asks for it."""
        posterior = {m: self.encode(m, x, batch.covariates.get(m)) for m, x in batch.x.items()}
        z = {m: self._sample(p) for m, p in posterior.items()}
        return Output(posterior, z, self.aggregator(z, batch.blocks), self._decoder_of(batch))

    def encode(self, modality: str, x: Tensor, covariates: Tensor | None = None) -> Posterior:
        """Posterior of the latents of cells x (B, d) of one modality."""
        return self.encoders[self._index[modality]](x, covariates)

    def decode(
        self, modality: str, z: Tensor, covariates: Tensor | None = None, size_factor: Tensor | None = None
    ) -> Distribution:
        """Distribution of the features of one modality, from latents z (B, L) of any."""
        return self.decoders[self._index[modality]](z, covariates, size_factor)

    def _decoder_of(self, batch: Batch) -> Callable[[Tensor, str, str], Distribution]:
        def decoder(latent: Tensor, source: str, target: str) -> Distribution:
            return self.decode(target, latent, batch.covariates.get(source), batch.size_factor.get(source))

        return decoder

    def _sample(self, posterior: Posterior) -> Tensor:
        if not self.training or posterior.logvar is None:
            return posterior.mean
        return posterior.mean + torch.exp(0.5 * posterior.logvar) * torch.randn_like(posterior.mean)
