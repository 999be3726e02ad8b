"""What is measured as features are removed: label transfer, FOSCTTM or imputed values, exactly and to first order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.evaluation import EmbeddedPair, ImputedPair
from jamie.core.explanation import Explainable, Floats
from jamie.explain.first_order import Slopes
from jamie.explain.knockout.gradients import correlation_gradient, soft_rank_gradient
from jamie.explain.knockout.neighbor_votes import NeighborVotes
from jamie.explain.removal import Indices
from jamie.metrics.by_feature import by_feature, correlation
from jamie.metrics.foscttm import FOSCTTM
from jamie.metrics.pearson import Pearson

if TYPE_CHECKING:
    from torch import nn

_FEW_TARGETS, _PART = 512, 3  # whose votes are counted again: at least so many, or a third
_GRADIENTS = 2**25  # numbers in the slopes of their distances


class Measure(ABC):
    """A number that says how good what the model makes of the cells is.

    Attributes
    ----------
    baseline
        Before anything is removed.
    higher_is_better
        Of the number.
    width
        Numbers that the model makes of a cell.
    step
        Least difference between two values; 0 where there is none.
    """

    baseline: float
    higher_is_better: ClassVar[bool] = True
    width: int
    step: float = 0.0

    @abstractmethod
    def outputs(self, scores: Floats, cells: Indices) -> Floats:
        """(k, o) what the model makes of preprocessed cells (k, d), which are these of the data."""

    @abstractmethod
    def value(self, outputs: Floats) -> float:
        """Return the number, of outputs (n, o) of the cells that are measured."""

    @abstractmethod
    def module(self, preprocessed: bool) -> nn.Module:
        """Return the differentiable way from the cells to the outputs."""

    @abstractmethod
    def estimates(self, slopes: Slopes, units: Sequence[Indices]) -> NDArray[np.float64]:
        """(u,) change of the number by removing each unit, to first order."""


class _Latent(Measure):
    """A measure of latents."""

    def __init__(self, subject: Explainable, modality: str, z: Floats) -> None:
        self.subject, self.modality = subject, modality
        self.width = z.shape[1]

    def outputs(self, scores: Floats, cells: Indices) -> Floats:
        return self.subject.embed(self.modality, scores, cells)

    def module(self, preprocessed: bool) -> nn.Module:
        return self.subject.module(self.modality, preprocessed=preprocessed)


class LabelTransfer(_Latent):
    """Label transfer accuracy.

    To first order each distance between a target and a source near it changes by its slope, and the votes are counted
    again: the accuracy has steps, of which a gradient knows nothing.

    Parameters
    ----------
    subject
        Trained model with cells.
    pair
        Latents and labels of cells that all have one.
    modality
        That features are removed of: the pair's source or target.
    k
        Neighbours.
    """

    def __init__(self, subject: Explainable, pair: EmbeddedPair, modality: str, k: int) -> None:
        moving = "source" if modality == pair.source else "target"
        super().__init__(subject, modality, np.asarray(pair.z_source))
        assert pair.labels_source is not None
        assert pair.labels_target is not None
        labels, expected = pair.labels_source.astype(str), pair.labels_target.astype(str)
        self.votes = NeighborVotes(pair.z_source, pair.z_target, labels, expected, k, moving)
        self.baseline = self.votes.accuracy
        self.step = 1 / len(pair.z_target)

    def value(self, outputs: Floats) -> float:
        return self.votes.accuracy_at(outputs)

    def estimates(self, slopes: Slopes, units: Sequence[Indices]) -> NDArray[np.float64]:
        votes, lists = self.votes, self.votes.lists
        length = lists.index.shape[1]
        wanted = max(_FEW_TARGETS, len(votes.z_target) // _PART)
        fitting = max(1, _GRADIENTS // (length * slopes.width))
        # those that are nearest to being outvoted
        targets = np.argsort(np.abs(lists.margin), kind="stable")[: min(wanted, fitting)]
        moved, gradient = self._directions(targets)
        pulled = slopes.pulled(moved, gradient)
        found = np.empty(len(units))
        for at, effects in slopes.effects(units, moved, pulled):
            change = effects.reshape(len(targets), length, -1)
            found[at] = self._changed(targets, change)
        return found / len(votes.z_target)

    def _directions(self, targets: Indices) -> tuple[Indices, NDArray[np.float64]]:
        """Cell (m,) that moves of each pair of a target and a source near it; slope (m, L) of their distance."""
        votes, lists = self.votes, self.votes.lists
        near = lists.index[targets]
        apart = votes.z_source[near] - votes.z_target[targets][:, None]
        apart /= np.maximum(lists.distance[targets][..., None], 1e-12)
        if votes.moving == "source":
            return near.ravel(), apart.reshape(near.size, -1)
        return np.repeat(targets, near.shape[1]), -apart.reshape(near.size, -1)

    def _changed(self, targets: Indices, change: NDArray[np.float64]) -> NDArray[np.float64]:
        """(u,) how many more targets are right, where their distances change by (m, K, u)."""
        votes, lists = self.votes, self.votes.lists
        near, distance, expected = lists.index[targets], lists.distance[targets], votes.expected[targets]
        which, unit = np.nonzero(2 * np.abs(change).max(axis=1) >= lists.margin[targets][:, None])
        right = votes.vote(distance[which] + change[which, :, unit], near[which]) == expected[which]
        gained = right.astype(np.float64) - votes.correct[targets][which]
        return np.bincount(unit, gained, minlength=change.shape[2]).astype(np.float64)


class TrueMatch(_Latent):
    """FOSCTTM, and to first order that of soft ranks.

    Parameters
    ----------
    subject
        Trained model with cells.
    pair
        Latents and true partners; features are removed of its source.
    """

    higher_is_better = False

    def __init__(self, subject: Explainable, pair: EmbeddedPair) -> None:
        super().__init__(subject, pair.source, np.asarray(pair.z_source))
        self.pair = pair
        self.baseline = self.value(np.asarray(pair.z_source, np.float32))

    def value(self, outputs: Floats) -> float:
        pair = self.pair
        moved = EmbeddedPair(pair.source, pair.target, outputs, pair.z_target, pair.truth)
        return FOSCTTM().score(moved).value

    def estimates(self, slopes: Slopes, units: Sequence[Indices]) -> NDArray[np.float64]:
        return slopes.totals(units, soft_rank_gradient(self.pair.z_source, self.pair.z_target, self.pair.truth))


class ImputedCorrelation(Measure):
    """Mean Pearson correlation of imputed with measured values of some features.

    Parameters
    ----------
    subject
        Trained model with cells.
    source, target
        `target` is imputed from `source`, of which features are removed.
    features : (t,)
        Of the target.
    cells : (n,)
        Of the source, all of which were measured in the target as well.
    measured : (n, t)
        Values in units; NaN where one is missing.
    """

    def __init__(
        self, subject: Explainable, source: str, target: str, features: pd.Index, cells: Indices, measured: Floats
    ) -> None:
        self.subject, self.source, self.target, self.features = subject, source, target, features
        self.cells, self.measured, self.width = cells, measured, len(features)
        self.unperturbed = self.outputs(subject.scores(source)[cells], cells)
        self.baseline = self.value(self.unperturbed)

    def outputs(self, scores: Floats, cells: Indices) -> Floats:
        return self.subject.impute(self.source, self.target, scores, cells, list(self.features))

    def module(self, preprocessed: bool) -> nn.Module:
        return self.subject.module(self.source, self.target, list(self.features), preprocessed=preprocessed)

    def value(self, outputs: Floats) -> float:
        return Pearson().score(self._pair(outputs, self.measured)).value

    def only(self, feature: str) -> ImputedCorrelation:
        """Return the same of one feature alone."""
        at = self.features.get_indexer(pd.Index([feature]))
        return ImputedCorrelation(
            self.subject, self.source, self.target, self.features[at], self.cells, self.measured[:, at]
        )

    def likeness(self, outputs: Floats) -> float:
        """Mean correlation of imputed values (n, t) with those before anything was removed; the paper's measure."""
        found = by_feature(self._pair(outputs, self.unperturbed), correlation)
        varying = found[~np.isnan(found)]
        return float(varying.mean()) if len(varying) else float("nan")

    def estimates(self, slopes: Slopes, units: Sequence[Indices]) -> NDArray[np.float64]:
        return slopes.totals(units, correlation_gradient(self.measured, self.unperturbed))

    def _pair(self, outputs: Floats, measured: Floats) -> ImputedPair:
        unused = np.zeros(self.width)  # correlation does not depend on the scale of the features
        return ImputedPair(self.source, self.target, self.features, measured, outputs, unused, unused)
