"""A trained model: preprocessing and network together, independent of the data that it was trained on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from jamie.core.batch import PairBlocks, Posterior
from jamie.core.context import Context
from jamie.core.correspondence import Correspondences
from jamie.core.data import Block, Matrix
from jamie.core.errors import DataError
from jamie.model.joint_vae import JointVAE
from jamie.preprocess.chain import Chain
from jamie.spec import Spec

ROWS = 4096  # cells that go through the network at once


@dataclass(frozen=True)
class TrainedModality:
    """What the model knows of one modality.

    Parameters
    ----------
    features : (p,)
        Names that the encoder was fitted on.
    fill : (p,)
        Mean of each feature over the training cells, for those that new cells lack.
    chain
        Fitted preprocessing of the encoder's input.
    target_features : (p_t,)
        Names of what the decoder predicts.
    target_chain
        Fitted preprocessing of the decoder's target.
    target_origin
        Layer that the target was read from: the scale of imputed values.
    """

    features: pd.Index
    fill: NDArray[np.float32]
    chain: Chain
    target_features: pd.Index
    target_chain: Chain
    target_origin: str


@dataclass(frozen=True)
class TrainedModel:
    """Encodes, aggregates and imputes.

    Parameters
    ----------
    spec
        That it was trained by; its data are not needed any more.
    modalities
        In the order of the spec.
    network
        Of weights in evaluation mode.
    """

    spec: Spec
    modalities: Mapping[str, TrainedModality]
    network: JointVAE

    def require(self, modality: str) -> TrainedModality:
        """Return a modality.

        Raises
        ------
        DataError
            Where the model has none of that name.
        """
        if modality not in self.modalities:
            raise DataError(
                f"expected a modality of the model, found '{modality}'",
                where="model",
                fix=f"choose one of {', '.join(self.modalities)}",
            )
        return self.modalities[modality]

    def scores(self, modality: str, block: Block, obs: pd.DataFrame, context: Context) -> NDArray[np.float32]:
        """Preprocess cells (n, p), whose features are in the model's order, into (n, d)."""
        return self.require(modality).chain.scores(block.X, obs, context)

    @torch.no_grad()
    def encode(self, modality: str, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Latent means (n, L) of preprocessed cells (n, d)."""
        parts = [self._posterior(modality, scores[rows]).mean.cpu().numpy() for rows in _blocks(len(scores))]
        return np.concatenate(parts)

    @torch.no_grad()
    def posterior_summary(self, modality: str, scores: NDArray[np.float32]) -> dict[str, list[float]]:
        """Divergence from the prior, standard deviation of the mean, and mean standard deviation of each latent.

        A posterior that has collapsed shows no divergence; one that is deterministic in effect has deviations near 0.
        """
        posteriors = [self._posterior(modality, scores[rows]) for rows in _blocks(len(scores))]
        mean = torch.cat([p.mean for p in posteriors])
        if any(p.logvar is None for p in posteriors):
            return {"sd_of_mean": mean.std(0, correction=0).tolist()}
        logvar = torch.cat([p.logvar for p in posteriors if p.logvar is not None])
        return {
            "kl": (-0.5 * (1 + logvar - mean.square() - logvar.exp())).mean(0).tolist(),
            "sd_of_mean": mean.std(0, correction=0).tolist(),
            "mean_sd": (0.5 * logvar).exp().mean(0).tolist(),
        }

    @torch.no_grad()
    def decode(self, modality: str, latents: NDArray[np.float32]) -> Matrix:
        """Values (n, p_t) of a modality in its own units, from latents (n, L)."""
        decoded = [self.network.decode(modality, self._tensor(latents[rows])).mean for rows in _blocks(len(latents))]
        return self.require(modality).target_chain.inverse_transform(torch.cat(decoded).cpu().numpy())

    @torch.no_grad()
    def aggregate(
        self, latents: Mapping[str, NDArray[np.float32]], correspondences: Correspondences
    ) -> dict[str, NDArray[np.float32]]:
        """Aggregate latents (n_m, L) of each modality, block by block over a sparse correspondence."""
        return {
            a: np.concatenate([self._aggregate_block(a, rows, latents, correspondences) for rows in _blocks(len(z))])
            for a, z in latents.items()
        }

    def _aggregate_block(
        self, a: str, rows: slice, latents: Mapping[str, NDArray[np.float32]], correspondences: Correspondences
    ) -> NDArray[np.float32]:
        z, blocks = {a: self._tensor(latents[a][rows])}, {}
        for b in latents:
            partners = correspondences.between(a, b).matrix[rows] if b != a else None
            if partners is not None and partners.nnz:
                columns = np.unique(partners.indices)
                z[b] = self._tensor(latents[b][columns])
                blocks[a, b] = self._tensor(partners[:, columns].toarray())
        ordered = {m: z[m] for m in self.modalities if m in z}
        return self.network.aggregate(ordered, PairBlocks(blocks))[a].cpu().numpy()

    def _posterior(self, modality: str, scores: NDArray[np.float32]) -> Posterior:
        return self.network.encode(modality, self._tensor(scores))

    def _tensor(self, values: NDArray[np.float32]) -> torch.Tensor:
        return torch.as_tensor(values, device=next(self.network.parameters()).device)


def _blocks(n_rows: int) -> Iterator[slice]:
    for start in range(0, n_rows, ROWS):
        yield slice(start, start + ROWS)
