"""A trained joint VAE: preprocessing and networks together, independent of the data that it was trained on."""

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
from jamie.core.correspondence import Correspondences
from jamie.core.matrix import to_dense
from jamie.core.panels import SubstituteBatches
from jamie.core.sources import JointSources
from jamie.model.fitted_model import FittedModel, Floats, Inputs
from jamie.model.joint_vae import JointVAE
from jamie.model.prediction import (
    average,
    chunks,
    decode,
    encode,
    impute,
    posterior,
    regress,
    running_variance,
    sample_latents,
    to_device,
    with_batches,
)
from jamie.model.stacked_regressions import StackedRegressions
from jamie.model.trained_modality import TrainedModality
from jamie.preprocess.prepare import Prepared
from jamie.spec import Spec
from jamie.trust.uncertainty import Uncertainty

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainedModel(FittedModel):
    """The joint VAE: networks that encode, aggregate and impute, and regressions beside them.

    Parameters
    ----------
    spec
        Of its training; its data are no longer needed.
    modalities
        In the order of the spec.
    networks
        Members of the ensemble, in evaluation mode. The first one embeds; all of them impute.
    batches
        Of the training cells; None without a batch key.
    uncertainty
        Calibration of imputed values, and novelty scores.
    stacks
        Regressions that are averaged with the networks, for source and target; and those of several sources together
        (`JointSources.name`), averaged with what each gives alone.
    """

    spec: Spec
    modalities: Mapping[str, TrainedModality]
    networks: tuple[JointVAE, ...]
    batches: BatchKey | None = None
    uncertainty: Uncertainty = field(default_factory=Uncertainty)
    stacks: Mapping[tuple[str, str], StackedRegressions] = field(default_factory=dict)

    @classmethod
    def of(cls, prepared: Prepared, spec: Spec, networks: Sequence[JointVAE]) -> TrainedModel:
        """Join networks with the preprocessing of the cells that they were trained on."""
        modalities = {m: TrainedModality.of(prepared, m) for m in prepared.scores}
        return cls(spec, modalities, tuple(networks), prepared.batches)

    @property
    def network(self) -> JointVAE:
        """The member whose latents are the embedding."""
        return self.networks[0]

    def encode(
        self, modality: str, scores: Floats, covariates: Floats | None = None, obs: pd.DataFrame | None = None
    ) -> Floats:
        """Latent means (n, L) of preprocessed cells (n, d), whose batches are unknown if no covariates are given."""
        return encode(self.network, modality, self.network_scores(modality, scores), covariates)

    def posterior_summary(
        self, modality: str, scores: Floats, covariates: Floats | None = None
    ) -> dict[str, list[float]]:
        """Divergence from the prior, standard deviation of the mean, and mean standard deviation of each latent.

        Divergences of a collapsed posterior are 0; standard deviations of one that is nearly deterministic are near 0.
        """
        q = posterior(self.network, modality, self.network_scores(modality, scores), covariates)
        summary = {"sd_of_mean": q.mean.std(0, correction=0).tolist()}
        if q.logvar is None:
            return summary
        kl = (-0.5 * (1 + q.logvar - q.mean.square() - q.logvar.exp())).mean(0)
        return {"kl": kl.tolist(), **summary, "mean_sd": (0.5 * q.logvar).exp().mean(0).tolist()}

    def impute_scores(
        self,
        source: str,
        target: str,
        scores: Floats,
        covariates: Floats | None = None,
        obs: pd.DataFrame | None = None,
    ) -> Floats:
        """Preprocessed values (n, t) of a modality: the mean over the networks and the regressions."""
        values = self.impute_by_network(source, target, scores, covariates)
        predicted = self.impute_by_regressions(source, target, scores, covariates)
        return values if predicted is None else average(self.stacks[source, target], predicted, values)

    def impute_by_network(
        self,
        source: str,
        target: str,
        scores: Floats,
        covariates: Floats | None = None,
        members: Sequence[JointVAE] | None = None,
    ) -> Floats:
        """Preprocessed values (n, t) that the networks impute: all of them, or those that are given."""
        networks, inputs = self.networks if members is None else members, self.network_scores(source, scores)
        return impute(networks, source, target, inputs, covariates, self.borrowing.get(target))

    def impute_by_regressions(
        self, source: str, target: str, scores: Floats, covariates: Floats | None = None
    ) -> Floats | None:
        """Preprocessed values (n, t) that the regressions of a direction predict; None if it has none."""
        stack = self.stacks.get((source, target))
        return None if stack is None else regress(stack, self.regression_inputs(source, scores, covariates))

    def regression_inputs(self, modality: str, scores: Floats, covariates: Floats | None = None) -> Floats:
        """(n, r + C) what regressions read of preprocessed cells (n, d + r): scores, and the batch if there are any."""
        predictors = scores[:, self.require(modality).first_predictor :]
        return with_batches(self.network, modality, predictors, covariates)

    def predictive_variance(
        self,
        source: str,
        target: str,
        scores: Floats,
        covariates: Floats | None,
        generator: np.random.Generator,
        columns: NDArray[np.int64] | None = None,
    ) -> Floats | None:
        """Variance (n, p) of imputed values over members and posterior samples, in units; None if there is only one."""
        to_units, borrowing = self.require(target).target_chain.inverse(columns), self.borrowing.get(target)
        predicted = self.impute_by_regressions(source, target, scores, covariates)
        inputs = self.network_scores(source, scores)
        samples = sample_latents(self.networks, source, inputs, covariates, generator)
        decoded = (decode(network, target, z, covariates, borrowing) for network, z in samples)
        if predicted is not None:
            stack = self.stacks[source, target]
            decoded = (average(stack, predicted, values) for values in decoded)
        return running_variance(to_dense(to_units(values)) for values in decoded)

    def joint_scores(self, joint: JointSources, inputs: Sequence[Inputs], obs: Sequence[pd.DataFrame] = ()) -> Floats:
        """Preprocessed values (n, t): what each source gives alone, averaged with regressions of all together."""
        values, stack = super().joint_scores(joint, inputs, obs), self.stacks.get((joint.name, joint.target))
        return values if stack is None else average(stack, regress(stack, self.joint_inputs(joint, inputs)), values)

    def joint_inputs(self, joint: JointSources, inputs: Sequence[Inputs]) -> Floats:
        """(n, r) what regressions read of the same preprocessed cells in several modalities, side by side."""
        read = [self.regression_inputs(m, *given) for m, given in zip(joint.sources, inputs, strict=True)]
        return np.concatenate(read, axis=1)

    @cached_property
    def borrowing(self) -> Mapping[str, SubstituteBatches]:
        """Substitute batches of the modalities in which a batch lacks features."""
        return {m: b for m, known in self.modalities.items() if (b := known.borrowing()) is not None}

    @torch.no_grad()
    def aggregate(self, latents: Mapping[str, Floats], correspondences: Correspondences) -> dict[str, Floats]:
        """Aggregate latents (n_m, L) of each modality, block by block over a sparse correspondence."""
        aggregated = {}
        for a, z in latents.items():
            both_ways = {b: correspondences.between(a, b) for b in latents if b != a}
            matrices = {b: (pairs.matrix, pairs.T.matrix) for b, pairs in both_ways.items()}
            aggregated[a] = np.concatenate(
                [self._aggregate_rows(a, rows, latents, matrices) for rows in chunks(len(z))]
            )
        return aggregated

    def _aggregate_rows(
        self,
        a: str,
        rows: slice,
        latents: Mapping[str, Floats],
        matrices: Mapping[str, tuple[sparse.csr_array, sparse.csr_array]],
    ) -> Floats:
        """Aggregate a chunk of the cells of `a`, with all their partners and the other partners of these in `a`.

        The latter are no terms of these cells' sums, but an aggregator may divide by the sums of columns.
        """
        chunk = np.arange(len(latents[a]))[rows]
        partners = {b: np.unique(matrix[rows].indices) for b, (matrix, _) in matrices.items()}
        rivals = [np.unique(matrices[b][1][of_b].indices) for b, of_b in partners.items()]
        cells = {a: np.unique(np.concatenate([chunk, *rivals]))} | {b: p for b, p in partners.items() if len(p)}
        order = [m for m in self.modalities if m in cells]  # that of the spec, as in training
        blocks = {}
        for b in (m for m in order if m != a):
            block = to_device(self.network, matrices[b][0][cells[a]][:, cells[b]].toarray())
            blocks.update({(a, b): block} if order.index(a) < order.index(b) else {(b, a): block.T})
        z = {m: to_device(self.network, latents[m][cells[m]]) for m in order}
        aggregated = self.network.aggregator(z, PairBlocks(blocks))[a]
        return aggregated.cpu().numpy()[np.searchsorted(cells[a], chunk)]
