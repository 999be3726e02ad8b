"""Metrics of a model that are computed again, or estimated to first order, as features are removed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import nn

from jamie.core.evaluation import EmbeddedPair, ImputedPair
from jamie.core.explanation import Explainable, Floats
from jamie.explain.knockout.gradients import correlation_gradient, soft_rank_gradient
from jamie.explain.knockout.neighbor_votes import NeighborVotes
from jamie.explain.linearized_model import LinearizedModel
from jamie.explain.removal import Indices
from jamie.metrics.by_feature import by_feature, correlation
from jamie.metrics.foscttm import FOSCTTM
from jamie.metrics.pearson import Pearson

_MIN_TARGETS, _TARGET_FRACTION = 512, 3  # targets whose votes are estimated: at least 512, or a third
_GRADIENTS = 2**25  # values in the gradients of their distances


class PerturbedMetric(ABC):
    """A metric of the model's outputs for some cells, while features of these cells are removed.

    Attributes
    ----------
    baseline
        Value before anything is removed.
    higher_is_better
        Of the value.
    output_width
        Size of the model's output for a cell.
    step
        Smallest difference between two values; 0 if there is none.
    columns
        Names of the scores.
    """

    baseline: float
    output_width: int
    higher_is_better: ClassVar[bool] = True
    step: float = 0.0
    columns: ClassVar[tuple[str, ...]] = ("value",)

    @abstractmethod
    def outputs(self, scores: Floats, cells: Indices) -> Floats:
        """(k, o) outputs of the model for preprocessed cells (k, d) at these positions of the data."""

    @abstractmethod
    def value(self, outputs: Floats) -> float:
        """Return the metric of outputs (n, o)."""

    def scores(self, outputs: Floats) -> tuple[float, ...]:
        """Scores of outputs (n, o), one for each of `columns`: the metric first."""
        return (self.value(outputs),)

    @abstractmethod
    def module(self, *, preprocessed: bool) -> nn.Module:
        """Return the differentiable module from the cells to the outputs."""

    @abstractmethod
    def estimated_changes(self, model: LinearizedModel, groups: Sequence[Indices]) -> NDArray[np.float64]:
        """(u,) change of the metric by removing each feature group, to first order."""


class _LatentMetric(PerturbedMetric):
    def __init__(self, subject: Explainable, modality: str, latent_dim: int) -> None:
        self.subject, self.modality, self.output_width = subject, modality, latent_dim

    def outputs(self, scores: Floats, cells: Indices) -> Floats:
        return self.subject.embed(self.modality, scores, cells)

    def module(self, *, preprocessed: bool) -> nn.Module:
        return self.subject.module(self.modality, preprocessed=preprocessed)


class PerturbedLabelTransfer(_LatentMetric):
    """Label-transfer accuracy.

    To first order the distance between a target and a source near it changes by its gradient, and the votes are counted
    again, as the accuracy itself has steps and no useful gradient.

    Parameters
    ----------
    subject
        Trained model with cells.
    pair
        Latents and labels of cells that all have one.
    modality
        Whose features are removed: the pair's source or target.
    k
        Number of neighbors.
    """

    def __init__(self, subject: Explainable, pair: EmbeddedPair, modality: str, k: int) -> None:
        super().__init__(subject, modality, pair.z_source.shape[1])
        moving = "source" if modality == pair.source else "target"
        assert pair.labels_source is not None
        assert pair.labels_target is not None
        labels, expected = pair.labels_source.astype(str), pair.labels_target.astype(str)
        self.votes = NeighborVotes(pair.z_source, pair.z_target, labels, expected, k, moving)
        self.baseline = self.votes.accuracy
        self.step = 1 / len(pair.z_target)

    def value(self, outputs: Floats) -> float:
        return self.votes.accuracy_at(outputs)

    def estimated_changes(self, model: LinearizedModel, groups: Sequence[Indices]) -> NDArray[np.float64]:
        votes, lists = self.votes, self.votes.lists
        length = lists.index.shape[1]
        wanted = max(_MIN_TARGETS, len(votes.z_target) // _TARGET_FRACTION)
        affordable = max(1, _GRADIENTS // (length * model.input_width))
        # the targets nearest to being outvoted
        targets = np.argsort(np.abs(lists.margin), kind="stable")[: min(wanted, affordable)]
        moved, gradient = self._distance_gradients(targets)
        gradients = model.backpropagate(moved, gradient)
        gained = np.empty(len(groups))
        for at, effects in model.effects(groups, moved, gradients):
            gained[at] = self._gained(targets, effects.reshape(len(targets), length, -1))
        return gained / len(votes.z_target)

    def _distance_gradients(self, targets: Indices) -> tuple[Indices, NDArray[np.float64]]:
        """(m,) moving cell of each pair of a target and a source near it, and (m, L) gradient of their distance."""
        votes, lists = self.votes, self.votes.lists
        near = lists.index[targets]
        difference = votes.z_source[near] - votes.z_target[targets][:, None]
        difference /= np.maximum(lists.distance[targets][..., None], 1e-12)
        if votes.moving == "source":
            return near.ravel(), difference.reshape(near.size, -1)
        return np.repeat(targets, near.shape[1]), -difference.reshape(near.size, -1)

    def _gained(self, targets: Indices, change: NDArray[np.float64]) -> NDArray[np.float64]:
        """(u,) how many more targets are correct where their distances change by (m, K, u)."""
        votes, lists = self.votes, self.votes.lists
        near, distance, expected = lists.index[targets], lists.distance[targets], votes.expected[targets]
        which, group = np.nonzero(2 * np.abs(change).max(axis=1) >= lists.margin[targets][:, None])
        correct = votes.vote(distance[which] + change[which, :, group], near[which]) == expected[which]
        gained = correct.astype(np.float64) - votes.correct[targets][which]
        return np.bincount(group, gained, minlength=change.shape[2]).astype(np.float64)


class PerturbedFoscttm(_LatentMetric):
    """FOSCTTM, estimated to first order by soft ranks.

    Parameters
    ----------
    subject
        Trained model with cells.
    pair
        Latents and true partners; features of its source are removed.
    """

    higher_is_better = False

    def __init__(self, subject: Explainable, pair: EmbeddedPair) -> None:
        super().__init__(subject, pair.source, pair.z_source.shape[1])
        self.pair = pair
        self.baseline = self.value(np.asarray(pair.z_source, np.float32))

    def value(self, outputs: Floats) -> float:
        pair = self.pair
        return FOSCTTM().score(EmbeddedPair(pair.source, pair.target, outputs, pair.z_target, pair.truth)).value

    def estimated_changes(self, model: LinearizedModel, groups: Sequence[Indices]) -> NDArray[np.float64]:
        gradient = soft_rank_gradient(self.pair.z_source, self.pair.z_target, self.pair.truth)
        return model.total_effects(groups, gradient)


class PerturbedImputation(PerturbedMetric):
    """Mean Pearson correlation of imputed with measured values.

    The second score is the mean correlation with the values imputed before anything was removed, as in the paper.

    Parameters
    ----------
    subject
        Trained model with cells.
    source, target
        `target` is imputed from `source`, whose features are removed.
    features : (t,)
        Of the target.
    cells : (n,)
        Positions of source cells that were measured in the target as well.
    measured : (n, t)
        Values in the target's units; NaN if one is missing.
    """

    columns = ("value", "correlation_with_unperturbed")

    def __init__(
        self, subject: Explainable, source: str, target: str, features: pd.Index, cells: Indices, measured: Floats
    ) -> None:
        self.subject, self.source, self.target, self.features = subject, source, target, features
        self.cells, self.measured, self.output_width = cells, measured, len(features)
        self.unperturbed = self.outputs(subject.scores(source)[cells], cells)
        self.baseline = self.value(self.unperturbed)

    def outputs(self, scores: Floats, cells: Indices) -> Floats:
        return self.subject.impute(self.source, self.target, scores, cells, list(self.features))

    def module(self, *, preprocessed: bool) -> nn.Module:
        return self.subject.module(self.source, self.target, list(self.features), preprocessed=preprocessed)

    def value(self, outputs: Floats) -> float:
        return Pearson().score(self._pair(outputs, self.measured)).value

    def scores(self, outputs: Floats) -> tuple[float, ...]:
        correlations = by_feature(self._pair(outputs, self.unperturbed), correlation)
        varying = correlations[~np.isnan(correlations)]
        return self.value(outputs), float(varying.mean()) if len(varying) else float("nan")

    def of_feature(self, feature: str) -> PerturbedImputation:
        """Return the metric of one target feature."""
        at = self.features.get_indexer(pd.Index([feature]))
        return PerturbedImputation(
            self.subject, self.source, self.target, self.features[at], self.cells, self.measured[:, at]
        )

    def estimated_changes(self, model: LinearizedModel, groups: Sequence[Indices]) -> NDArray[np.float64]:
        return model.total_effects(groups, correlation_gradient(self.measured, self.unperturbed))

    def _pair(self, outputs: Floats, measured: Floats) -> ImputedPair:
        unused = np.zeros(self.output_width)  # correlation does not depend on the scale of the features
        return ImputedPair(self.source, self.target, self.features, measured, outputs, unused, unused)
