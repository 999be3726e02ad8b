"""A trained model: preprocessing and networks together, independent of the data that it was trained on."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.batch import PairBlocks
from jamie.core.batch_key import BatchKey
from jamie.core.context import Context
from jamie.core.correspondence import Correspondences
from jamie.core.data import Block, Imputation
from jamie.core.errors import DataError
from jamie.core.labels import as_labels
from jamie.core.matrix import to_dense
from jamie.core.panels import SubstituteBatches
from jamie.core.sources import JointSources
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
from jamie.trust.calibration import Calibration
from jamie.trust.source_weights import SourceWeights
from jamie.trust.uncertainty import Uncertainty

log = logging.getLogger(__name__)

Floats: TypeAlias = NDArray[np.float32]
Inputs: TypeAlias = tuple[Floats, Floats | None]  # scores (n, d) and covariates (n, C) of cells of a modality


@dataclass(frozen=True)
class TrainedModel:
    """Encodes, aggregates and imputes.

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

    def require(self, modality: str) -> TrainedModality:
        """Return a modality.

        Raises
        ------
        DataError
            If the model has none of that name.
        """
        if modality not in self.modalities:
            raise DataError(
                f"expected a modality of the model, found '{modality}'",
                where="model",
                fix=f"choose one of {', '.join(self.modalities)}",
            )
        return self.modalities[modality]

    def scores(self, modality: str, block: Block, obs: pd.DataFrame, context: Context) -> Floats:
        """Preprocess cells (n, p), whose features are in the model's order, into what the model reads (n, d + r).

        These are d scores for the networks, and after them r for the regressions, if they read others.
        """
        chains = self.require(modality).input_chains
        scores = [chain.scores(block.X, obs, context) for chain in chains]
        return scores[0] if len(scores) == 1 else np.concatenate(scores, axis=1)

    def covariates(self, modality: str, obs: pd.DataFrame) -> Floats | None:
        """Covariates (n, C) of cells of a modality, from the batch column of `obs`; None without a batch key.

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

    def encode(self, modality: str, scores: Floats, covariates: Floats | None = None) -> Floats:
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

    def impute_scores(self, source: str, target: str, scores: Floats, covariates: Floats | None = None) -> Floats:
        """Preprocessed values (n, t) of a modality, from preprocessed cells (n, d + r) of another.

        They are the mean over the networks and the regressions, imputed as if measured in the cells' own batches
        (n, C), unknown if none are given, and counts at the training cells' median depth.
        """
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

    def network_scores(self, modality: str, scores: Floats) -> Floats:
        """(n, d) the part of what the model reads that is for the networks."""
        return scores[:, : self.require(modality).n_scores]

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

    def impute(
        self,
        source: str,
        target: str,
        scores: Floats,
        covariates: Floats | None = None,
        columns: NDArray[np.int64] | None = None,
        *,
        intervals: bool = True,
    ) -> Imputation:
        """Values (n, p) of a modality in its own units, from preprocessed cells (n, d) of another.

        Standard deviations and intervals are added if the model was calibrated for the direction.

        Parameters
        ----------
        source, target
            Modalities.
        scores, covariates
            Of the cells.
        columns
            Positions of features of the target; all by default.
        intervals
            Whether to add them.
        """
        to_units = self.require(target).target_chain.inverse(columns)
        mean = to_dense(to_units(self.impute_scores(source, target, scores, covariates)))
        calibration = self.uncertainty.calibrations.get((source, target))
        if calibration is None or not intervals:
            return Imputation(mean)
        calibration = calibration if columns is None else calibration.subset(columns)
        generator = Context(seed=self.spec.seed, stage="draws").generator()
        variance = self.predictive_variance(source, target, scores, covariates, generator, columns)
        return Imputation(mean, calibration.sd(mean, variance), *calibration.intervals(mean))

    def combination(self, joint: JointSources) -> SourceWeights:
        """Weights of several sources of a modality: equal ones where none were fitted."""
        n_targets = self.network.n_targets[joint.target]
        return self.uncertainty.combinations.get(joint) or SourceWeights.equal(len(joint.sources), n_targets)

    def calibration(self, joint: JointSources) -> Calibration | None:
        """Calibration of what is imputed from one source or from several; None where there is none."""
        if len(joint.sources) == 1:
            return self.uncertainty.calibrations.get((joint.name, joint.target))
        return self.combination(joint).calibration

    def impute_jointly(
        self,
        joint: JointSources,
        inputs: Sequence[Inputs],
        columns: NDArray[np.int64] | None = None,
        *,
        intervals: bool = True,
    ) -> Imputation:
        """Values (n, p) of a modality in its own units, from the same preprocessed cells (n, d) in others.

        Standard deviations and intervals are added if the model was calibrated for these sources together.

        Parameters
        ----------
        joint
            The sources, and the modality to impute.
        inputs
            Scores and covariates of the cells in each source.
        columns
            Positions of features of the target; all by default.
        intervals
            Whether to add them.
        """
        if len(joint.sources) == 1:
            return self.impute(joint.name, joint.target, *inputs[0], columns, intervals=intervals)
        to_units, calibration = self.require(joint.target).target_chain.inverse(columns), self.calibration(joint)
        mean = to_dense(to_units(self.joint_scores(joint, inputs)))
        if calibration is None or not intervals:
            return Imputation(mean)
        calibration = calibration if columns is None else calibration.subset(columns)
        return Imputation(mean, calibration.sd(mean), *calibration.intervals(mean))

    def joint_scores(self, joint: JointSources, inputs: Sequence[Inputs]) -> Floats:
        """Preprocessed values (n, t) of a modality, from the same preprocessed cells (n, d) in several others."""
        alone = [self.impute_scores(m, joint.target, *given) for m, given in zip(joint.sources, inputs, strict=True)]
        values, stack = self.combination(joint).combine(alone), self.stacks.get((joint.name, joint.target))
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
