"""What a trained model keeps of one modality."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.data import Matrix
from jamie.core.matrix import column_means
from jamie.core.panels import SubstituteBatches
from jamie.data.checks.value_kinds import largest_count
from jamie.data.unmeasured.absent import zero_cells
from jamie.preprocess.chain import Chain
from jamie.preprocess.prepare import Prepared


@dataclass(frozen=True)
class TrainedModality:
    """Features, fitted preprocessing and properties of the training cells of one modality.

    Parameters
    ----------
    features : (p,)
        Names of the features of the encoder's input.
    fill : (p,)
        Mean of each feature over the training cells, for features that new cells lack.
    chain
        Fitted preprocessing of the encoder's input.
    target_features : (p_t,)
        Names of the features that the decoder predicts.
    target_chain
        Fitted preprocessing of the decoder's target.
    target_origin
        Layer that the target was read from: the scale of imputed values.
    counts
        Whether the encoder's values are counts (non-negative whole numbers) before preprocessing.
    measured_in : (C, p_t)
        Features of the target that were measured in each batch of the training cells; None if every feature was in
        every batch, or if there is no batch key.
    zeros_absent
        Whether a cell that is 0 in all features was not measured, since every training cell is far from 0.
    regression_chain
        Fitted preprocessing of what the regressions read; None if they read what the encoder reads.
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
    regression_chain: Chain | None = None

    @classmethod
    def of(cls, prepared: Prepared, name: str) -> TrainedModality:
        """Extract from the training cells what the model needs for new cells."""
        data, train = prepared.dataset.modalities[name], prepared.split.train[name]
        X = data.input.X if train.all() else data.input.X[train]
        return cls(
            features=data.input.features,
            fill=column_means(X).astype(np.float32),
            chain=prepared.chains[name],
            target_features=data.target.features,
            target_chain=prepared.target_chains[name],
            target_origin=data.target.origin,
            counts=largest_count(data.input.X) > 0,
            measured_in=_measured_in(prepared, name),
            zeros_absent=_zeros_absent(X),
            regression_chain=prepared.regression_chains.get(name),
        )

    @property
    def input_chains(self) -> tuple[Chain, ...]:
        """Preprocessing whose scores, beside each other, the model reads."""
        return (self.chain,) if self.regression_chain is None else (self.chain, self.regression_chain)

    @cached_property
    def n_scores(self) -> int:
        """Number of scores d that the encoder reads: the first of what the model reads."""
        return len(self.chain.feature_names_out(self.features))

    @cached_property
    def n_targets(self) -> int:
        """Number of preprocessed values t that are predicted."""
        return len(self.target_chain.feature_names_out(self.target_features))

    @property
    def first_predictor(self) -> int:
        """Position of the first score that the regressions read, among all that the model reads."""
        return 0 if self.regression_chain is None else self.n_scores

    def borrowing(self) -> SubstituteBatches | None:
        """Return which batches lack features of the target, and the mixture of batches to decode these as.

        None if no batch lacks any.
        """
        if self.measured_in is None:
            return None
        lacking = ~self.measured_in
        shared = (lacking.astype(np.float32) @ self.measured_in.T.astype(np.float32)).clip(0)
        mixtures = shared / np.maximum(shared.sum(axis=1, keepdims=True), 1)
        batches = np.flatnonzero(lacking.any(axis=1) & (shared.sum(axis=1) > 0))
        parts = {int(batch): self.target_chain.measured_part(self.measured_in[batch]) for batch in batches}
        return SubstituteBatches(mixtures.astype(np.float32), parts) if parts else None


def _zeros_absent(X: Matrix) -> bool:
    zero, surely = zero_cells(X)
    return surely and not zero.any()


def _measured_in(prepared: Prepared, name: str) -> NDArray[np.bool_] | None:
    block, train = prepared.dataset.modalities[name].target, prepared.split.train[name]
    if block.panels is None or prepared.batches is None:
        return None
    batch, panel = prepared.covariates[name][train], prepared.measured[name].panel[train]
    return np.array([block.panels[panel[batch[:, c] > 0]].any(axis=0) for c in range(batch.shape[1])])
