"""A trained model: preprocessing and networks together, independent of the data that it was trained on."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.batch import PairBlocks
from jamie.core.batch_key import BatchKey
from jamie.core.context import Context
from jamie.core.correspondence import Correspondences
from jamie.core.data import Block, Matrix
from jamie.core.errors import DataError
from jamie.core.labels import as_labels
from jamie.core.panels import Borrowing
from jamie.core.values import column_means
from jamie.data.checks.value_kinds import largest_count
from jamie.data.unmeasured.absent import zero_cells
from jamie.model.apply import blocks, encode, impute, some, tensor
from jamie.model.joint_vae import JointVAE
from jamie.preprocess.chain import Chain
from jamie.preprocess.prepare import Prepared
from jamie.spec import Spec
from jamie.trust.trust import Trust

log = logging.getLogger(__name__)


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
    counts
        Whether the encoder's values are whole numbers before preprocessing, none negative.
    measured_in : (C, p_t)
        Features of the target that were measured in each batch of the training cells; None where all were in all, or
        batches are not told apart.
    zeros_absent
        Whether a cell that is 0 in all features was not measured, as no training cell is nearly so.
    """

    features: pd.Index
    fill: NDArray[np.float32]
    chain: Chain
    target_features: pd.Index
    target_chain: Chain
    target_origin: str
    counts: bool = False
    measured_in: NDArray[np.bool_] | None = None
    zeros_absent: bool = False

    @classmethod
    def of(cls, prepared: Prepared, name: str) -> TrainedModality:
        """Keep what new cells will need of the cells that a model was trained on."""
        data, train = prepared.dataset.modalities[name], prepared.split.train[name]
        return cls(
            features=data.input.features,
            fill=column_means(data.input.X[train]).astype(np.float32),
            chain=prepared.chains[name],
            target_features=data.target.features,
            target_chain=prepared.target_chains[name],
            target_origin=data.target.origin,
            counts=largest_count(data.input.X) > 0,
            measured_in=_measured_in(prepared, name),
            zeros_absent=_zeros_absent(data.input.X[train]),
        )

    def borrowing(self) -> Borrowing | None:
        """Return which batches lack features of the target, and whence these are borrowed; None where none does."""
        if self.measured_in is None:
            return None
        lacking = ~self.measured_in
        shared = (lacking.astype(np.float32) @ self.measured_in.T.astype(np.float32)).clip(0)
        mixtures = shared / np.maximum(shared.sum(axis=1, keepdims=True), 1)
        batches = np.flatnonzero(lacking.any(axis=1) & (shared.sum(axis=1) > 0))
        parts = {int(batch): self.target_chain.measured_part(self.measured_in[batch]) for batch in batches}
        return Borrowing(mixtures.astype(np.float32), parts) if parts else None


def _zeros_absent(X: Matrix) -> bool:
    zero, surely = zero_cells(X)
    return surely and not zero.any()


def _measured_in(prepared: Prepared, name: str) -> NDArray[np.bool_] | None:
    block, train = prepared.dataset.modalities[name].target, prepared.split.train[name]
    if block.panels is None or prepared.batches is None:
        return None
    batch, panel = prepared.covariates[name][train], prepared.measured[name].panel[train]
    return np.array([block.panels[panel[batch[:, c] > 0]].any(axis=0) for c in range(batch.shape[1])])


@dataclass(frozen=True)
class TrainedModel:
    """Encodes, aggregates and imputes.

    Parameters
    ----------
    spec
        That it was trained by; its data are not needed any more.
    modalities
        In the order of the spec.
    networks
        Members of the ensemble, in evaluation mode. The first one embeds; all of them impute.
    batches
        Of the training cells; None where the networks are told of none.
    trust
        How far its imputed values can be trusted, and how far cells are from the training cells.
    """

    spec: Spec
    modalities: Mapping[str, TrainedModality]
    networks: tuple[JointVAE, ...]
    batches: BatchKey | None = None
    trust: Trust = field(default_factory=Trust)

    @classmethod
    def of(cls, prepared: Prepared, spec: Spec, networks: Sequence[JointVAE]) -> TrainedModel:
        """Join networks with the preprocessing of the cells that they were trained on."""
        modalities = {m: TrainedModality.of(prepared, m) for m in prepared.scores}
        return cls(spec, modalities, tuple(networks), prepared.batches)

    @property
    def network(self) -> JointVAE:
        """The member whose latents are the embedding."""
        return self.networks[0]

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

    def covariates(self, modality: str, obs: pd.DataFrame) -> NDArray[np.float32] | None:
        """Covariates (n, C) of cells of a modality, by the column of their batch; None where it is told of none.

        A batch that is absent or that no training cell has counts as unknown, with a warning.
        """
        if self.batches is None:
            return None
        if self.batches.column in obs:
            return self.batches.covariates(as_labels(obs[self.batches.column]), f"modality '{modality}'")
        log.warning(
            "modality '%s': obs has no column '%s' (batch_key); the cells are treated as a mixture of the training "
            "cells' batches",
            *(modality, self.batches.column),
        )
        return self.batches.unknown(len(obs))

    def encode(
        self, modality: str, scores: NDArray[np.float32], covariates: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Latent means (n, L) of preprocessed cells (n, d), whose batches are unknown where no covariates are given."""
        return encode(self.network, modality, scores, covariates)

    @torch.no_grad()
    def posterior_summary(
        self, modality: str, scores: NDArray[np.float32], covariates: NDArray[np.float32] | None = None
    ) -> dict[str, list[float]]:
        """Divergence from the prior, standard deviation of the mean, and mean standard deviation of each latent.

        A posterior that has collapsed shows no divergence; one that is deterministic in effect has deviations near 0.
        """
        posteriors = [
            self.network.encode(modality, tensor(self.network, scores[rows]), some(self.network, covariates, rows))
            for rows in blocks(len(scores))
        ]
        mean = torch.cat([p.mean for p in posteriors])
        if any(p.logvar is None for p in posteriors):
            return {"sd_of_mean": mean.std(0, correction=0).tolist()}
        logvar = torch.cat([p.logvar for p in posteriors if p.logvar is not None])
        return {
            "kl": (-0.5 * (1 + logvar - mean.square() - logvar.exp())).mean(0).tolist(),
            "sd_of_mean": mean.std(0, correction=0).tolist(),
            "mean_sd": (0.5 * logvar).exp().mean(0).tolist(),
        }

    def impute_scores(
        self, source: str, target: str, scores: NDArray[np.float32], covariates: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Preprocessed values (n, t) of a modality, from preprocessed cells (n, d) of another: a mean over members.

        They are imputed as if measured in the cells' own batches (n, C), unknown where none are given, and counts at
        the training cells' median depth.
        """
        return impute(self.networks, source, target, scores, covariates, self.borrowing.get(target))

    @cached_property
    def borrowing(self) -> Mapping[str, Borrowing]:
        """Of the modalities of which some batches lack features."""
        found = {m: one.borrowing() for m, one in self.modalities.items()}
        return {m: one for m, one in found.items() if one is not None}

    @torch.no_grad()
    def aggregate(
        self, latents: Mapping[str, NDArray[np.float32]], correspondences: Correspondences
    ) -> dict[str, NDArray[np.float32]]:
        """Aggregate latents (n_m, L) of each modality, block by block over a sparse correspondence."""
        aggregated = {}
        for a, z in latents.items():
            matrices = {b: correspondences.between(a, b).matrix for b in latents if b != a}
            parts = [self._aggregate_block(a, rows, latents, matrices) for rows in blocks(len(z))]
            aggregated[a] = np.concatenate(parts)
        return aggregated

    def _aggregate_block(
        self,
        a: str,
        rows: slice,
        latents: Mapping[str, NDArray[np.float32]],
        matrices: Mapping[str, sparse.csr_array],
    ) -> NDArray[np.float32]:
        """Aggregate some cells of `a`, together with all their partners and all the partners' other partners in `a`.

        The latter do not enter these cells' sums, but an aggregator may divide by the sums of columns.
        """
        wanted = np.arange(len(latents[a]))[rows]
        partners = {b: np.unique(matrix[rows].indices) for b, matrix in matrices.items()}
        rivals = [np.flatnonzero(np.diff(matrices[b][:, columns].indptr)) for b, columns in partners.items()]
        cells = np.unique(np.concatenate([wanted, *rivals]))
        z, pairs = {a: latents[a][cells]}, {}
        for b in self.modalities:
            if len(partners.get(b, ())):
                z[b] = latents[b][partners[b]]
                block = tensor(self.network, matrices[b][cells][:, partners[b]].toarray())
                # keyed in the order of the spec, as in training
                pairs.update({(a, b): block} if self._precedes(a, b) else {(b, a): block.T})
        ordered = {m: tensor(self.network, z[m]) for m in self.modalities if m in z}
        return self.network.aggregator(ordered, PairBlocks(pairs))[a].cpu().numpy()[np.searchsorted(cells, wanted)]

    def _precedes(self, a: str, b: str) -> bool:
        order = list(self.modalities)
        return order.index(a) < order.index(b)
