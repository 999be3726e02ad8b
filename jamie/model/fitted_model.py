"""What every model of a run does, whatever was fitted: the joint VAE, or a method in its place."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.batch_key import BatchKey
from jamie.core.context import Context
from jamie.core.correspondence import Correspondences
from jamie.core.data import Block, Imputation
from jamie.core.errors import DataError
from jamie.core.labels import as_labels
from jamie.core.matrix import to_dense
from jamie.core.sources import JointSources
from jamie.model.trained_modality import TrainedModality
from jamie.spec import Spec
from jamie.trust.calibration import Calibration
from jamie.trust.source_weights import SourceWeights
from jamie.trust.uncertainty import Uncertainty

log = logging.getLogger(__name__)

Floats: TypeAlias = NDArray[np.float32]
Inputs: TypeAlias = tuple[Floats, Floats | None]  # scores (n, d) and covariates (n, C) of cells of a modality


class FittedModel(ABC):
    """Embeds or imputes cells, or both, independent of the data that it was fitted on.

    Attributes
    ----------
    spec
        Of the fit; its data are no longer needed.
    modalities
        In the order of the spec.
    batches
        Of the training cells; None without a batch key.
    uncertainty
        Calibration of imputed values, and novelty scores.
    """

    spec: Spec
    modalities: Mapping[str, TrainedModality]
    batches: BatchKey | None
    uncertainty: Uncertainty

    @property
    def name(self) -> str:
        """Its name among the methods of a comparison: ``jamie``, or that of the method."""
        return self.spec.model_name

    @property
    def embeds(self) -> bool:
        """Whether it embeds cells."""
        return True

    @property
    def imputes(self) -> bool:
        """Whether it imputes modalities."""
        return True

    @property
    def inductive(self) -> bool:
        """Whether it embeds any cells, or only those that it was fitted on."""
        return True

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

    def require_embedding(self) -> None:
        """Refuse to embed where the model only imputes.

        Raises
        ------
        DataError
            Saying what it can do.
        """
        if not self.embeds:
            raise DataError(
                "expected a model that embeds cells, found one that only imputes",
                where=f"method '{self.name}'",
                fix="impute with it (jamie impute), or fit a method that embeds, such as rcca",
            )

    def require_imputation(self) -> None:
        """Refuse to impute where the model only embeds.

        Raises
        ------
        DataError
            Saying what it can do.
        """
        if not self.imputes:
            raise DataError(
                "expected a model that imputes, found one that only embeds cells",
                where=f"method '{self.name}'",
                fix="embed cells with it (jamie embed), or fit a method that imputes, such as stack",
            )

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

    def network_scores(self, modality: str, scores: Floats) -> Floats:
        """(n, d) the part of what the model reads that is not for regressions alone."""
        return scores[:, : self.require(modality).n_scores]

    @abstractmethod
    def encode(
        self, modality: str, scores: Floats, covariates: Floats | None = None, obs: pd.DataFrame | None = None
    ) -> NDArray[np.floating]:
        """Latents (n, L) of preprocessed cells (n, d), whose batches are unknown if no covariates are given.

        `obs` (n, ...) are their annotations: a model that embeds only the cells of its fit knows these by name.

        Raises
        ------
        DataError
            Where the model does not embed, or not these cells.
        """

    @abstractmethod
    def impute_scores(
        self,
        source: str,
        target: str,
        scores: Floats,
        covariates: Floats | None = None,
        obs: pd.DataFrame | None = None,
    ) -> Floats:
        """Preprocessed values (n, t) of a modality, from preprocessed cells (n, d + r) of another.

        They are imputed as if measured in the cells' own batches (n, C), unknown if none are given, and counts at the
        training cells' median depth. `obs` (n, ...) are annotations of the cells, for a method that reads labels.

        Raises
        ------
        DataError
            Where the model does not impute, or lacks labels that it reads.
        """

    @abstractmethod
    def aggregate(
        self, latents: Mapping[str, NDArray[np.floating]], correspondences: Correspondences
    ) -> dict[str, NDArray[np.floating]]:
        """Aggregate latents (n_m, L) of each modality over a sparse correspondence."""

    def predictive_variance(
        self,
        source: str,
        target: str,
        scores: Floats,
        covariates: Floats | None,
        generator: np.random.Generator,
        columns: NDArray[np.int64] | None = None,
    ) -> Floats | None:
        """Variance (n, p) of imputed values, as far as the model itself tells it, in units; None if it does not."""
        return None

    def impute(
        self,
        source: str,
        target: str,
        scores: Floats,
        covariates: Floats | None = None,
        columns: NDArray[np.int64] | None = None,
        *,
        obs: pd.DataFrame | None = None,
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
        obs
            Annotations of the cells.
        intervals
            Whether to add them.
        """
        to_units = self.require(target).target_chain.inverse(columns)
        mean = to_dense(to_units(self.impute_scores(source, target, scores, covariates, obs)))
        calibration = self.uncertainty.calibrations.get((source, target))
        if calibration is None or not intervals:
            return Imputation(mean)
        calibration = calibration if columns is None else calibration.subset(columns)
        generator = Context(seed=self.spec.seed, stage="draws").generator()
        variance = self.predictive_variance(source, target, scores, covariates, generator, columns)
        return Imputation(mean, calibration.sd(mean, variance), *calibration.intervals(mean))

    def combination(self, joint: JointSources) -> SourceWeights:
        """Weights of several sources of a modality: equal ones where none were fitted."""
        known = self.uncertainty.combinations.get(joint)
        return known or SourceWeights.equal(len(joint.sources), self.require(joint.target).n_targets)

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
        obs: Sequence[pd.DataFrame] = (),
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
        obs
            Annotations of the cells in each source.
        intervals
            Whether to add them.
        """
        if len(joint.sources) == 1:
            (own,) = obs or (None,)
            return self.impute(joint.name, joint.target, *inputs[0], columns, obs=own, intervals=intervals)
        to_units, calibration = self.require(joint.target).target_chain.inverse(columns), self.calibration(joint)
        mean = to_dense(to_units(self.joint_scores(joint, inputs, obs)))
        if calibration is None or not intervals:
            return Imputation(mean)
        calibration = calibration if columns is None else calibration.subset(columns)
        return Imputation(mean, calibration.sd(mean), *calibration.intervals(mean))

    def joint_scores(self, joint: JointSources, inputs: Sequence[Inputs], obs: Sequence[pd.DataFrame] = ()) -> Floats:
        """Preprocessed values (n, t) of a modality, from the same preprocessed cells (n, d) in several others."""
        annotated: Sequence[pd.DataFrame | None] = obs or [None] * len(inputs)
        alone = [
            self.impute_scores(m, joint.target, *given, own)
            for m, given, own in zip(joint.sources, inputs, annotated, strict=True)
        ]
        return self.combination(joint).combine(alone)
