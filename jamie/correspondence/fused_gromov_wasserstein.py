"""Gromov-Wasserstein matching with a linear term from known pairs or linked features."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from scipy import sparse

from jamie.core.context import Context
from jamie.core.data import View
from jamie.core.errors import DataError
from jamie.core.interfaces import Distance
from jamie.correspondence.arrays import Floats, Pairs
from jamie.correspondence.couplings.pairs import mutual_partners
from jamie.correspondence.distances.geodesic import Geodesic
from jamie.correspondence.graphs.neighbors import directions
from jamie.correspondence.gromov.entropic_solver import (
    AnnealingStage,
    DistancePair,
    _EntropicInferer,
    anneal,
    balanced_transport,
)
from jamie.correspondence.shared_space.linked_features import linked_values
from jamie.correspondence.shared_space.projection import fit_projections

LEADING = 50  # first scores, in which canonical correlations are searched


class FusedGromovWasserstein(_EntropicInferer):
    """Matches distance matrices by optimal transport, guided by known pairs or linked features (POT).

    Like `gromov_wasserstein`, with a linear term: minimizes over plans T with uniform marginals ``alpha sum_ijkl
    (K_x[i,j] - K_y[k,l])^2 T[i,k] T[j,l] + (1 - alpha) sum_ik M[i,k] T[i,k] - epsilon entropy(T)``. M is the mean of
    up to three costs, each scaled to mean 1. With known pairs: the correlation distance of the distances of two cells
    to the known pairs, and the squared distance of two cells in the space of their canonical correlation analysis.
    With linked features: the correlation distance over the linked features. Known pairs themselves cost nothing.

    Parameters
    ----------
    distance : Distance
        Distances between the cells of one modality.
    alpha : float
        Weight of the distances against the linear term.
    epsilon : float
        Final weight of the entropy, for distances of mean 1; smaller is sharper and slower.
    max_iterations : int
        Largest number of gradient steps at each epsilon.
    tolerance : float
        Converged if a step moves less than this fraction of the mass.
    """

    name = "fused_gromov_wasserstein"
    references = ("10.3390/a13090212", "10.5555/3045390.3045671")
    uses_known = True
    full = True

    def __init__(
        self,
        *,
        distance: Distance = Geodesic(),
        alpha: Annotated[float, Field(gt=0, lt=1)] = 0.2,
        epsilon: Annotated[float, Field(gt=0)] = 1e-2,
        max_iterations: Annotated[int, Field(ge=1)] = 200,
        tolerance: Annotated[float, Field(gt=0)] = 1e-3,
    ) -> None:
        super().__init__(distance, epsilon, max_iterations, tolerance)
        self.alpha = alpha

    def _solve(self, pair: DistancePair, context: Context) -> AnnealingStage:
        linear = torch.as_tensor(self._linear_cost(pair), device=context.device)
        problem = replace(pair.problem(), linear=linear, weight=self.alpha)
        transport = balanced_transport(pair.p, pair.q)
        return anneal(problem, transport, pair.uniform_plan(), self.schedule, context)

    def _linear_cost(self, pair: DistancePair) -> NDArray[np.float64]:
        anchors, costs = mutual_partners(pair.known), []
        if len(anchors[0]):
            costs += [anchor_cost(pair.K_x, pair.K_y, anchors), shared_space_cost(pair.x, pair.y, anchors)]
        if pair.y.modality in pair.x.links:
            costs.append(correlation_distances(*linked_values(pair.x, pair.y)))
        if not costs:
            raise DataError(
                f"expected known pairs or linked features of {pair.x.modality} and {pair.y.modality}, found neither",
                where=f"correspondence '{self.name}'",
                fix="give pairs (correspondence.known) or linked features (correspondence.links), "
                "or infer without any (correspondence.infer: gromov_wasserstein)",
            )
        total = np.mean([cost / max(cost.mean(), np.finfo(float).tiny) for cost in costs], axis=0)
        return with_free_pairs(total, anchors)


def anchor_cost(K_x: Floats, K_y: Floats, anchors: Pairs) -> NDArray[np.float64]:
    """(n_x, n_y) correlation distance of the distances of two cells to the known pairs, each in its own modality.

    Distances to each anchor are standardized, since modalities differ in scale and spread.
    """
    return correlation_distances(*(_standardize(K[:, cells]) for K, cells in zip((K_x, K_y), anchors, strict=True)))


def shared_space_cost(x: View, y: View, anchors: Pairs) -> NDArray[np.float64]:
    """(n_x, n_y) squared distance of two cells in the shared space of the known pairs (canonical correlations)."""
    from scipy.spatial.distance import cdist

    X, Y = (view.scores[:, :LEADING].astype(np.float64) for view in (x, y))
    identity = sparse.csr_array(sparse.eye_array(len(anchors[0])))
    to_x, to_y = fit_projections(X[anchors[0]], Y[anchors[1]], identity)
    return cdist(to_x.coordinates(X), to_y.coordinates(Y), "sqeuclidean")


def correlation_distances(X: Floats, Y: Floats) -> NDArray[np.float64]:
    """(n_x, n_y) 1 - Pearson's correlation of the rows."""
    return np.asarray(1 - directions(X, "correlation") @ directions(Y, "correlation").T)


def with_free_pairs(cost: NDArray[np.float64], anchors: Pairs) -> NDArray[np.float64]:
    """Set the cost of known pairs to 0, and that of their cells with all others to the largest cost; in place."""
    rows, columns = anchors
    largest = cost.max()
    cost[rows], cost[:, columns] = largest, largest
    cost[rows, columns] = 0
    return cost


def _standardize(X: Floats) -> NDArray[np.float64]:
    """Columns of mean 0 and standard deviation 1; constant columns are 0."""
    centered = X - X.mean(axis=0)
    deviation = centered.std(axis=0)
    return np.divide(centered, deviation, out=np.zeros_like(centered), where=deviation > 1e-9)
