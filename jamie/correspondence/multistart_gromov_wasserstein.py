"""Gromov-Wasserstein matching of metacells from many starts, of which the best optima are kept."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Inferred
from jamie.core.data import View
from jamie.core.interfaces import CorrespondenceInferer
from jamie.correspondence.arrays import Diagnostics, Floats, Index
from jamie.correspondence.couplings.coupling import ALL_PAIRS
from jamie.correspondence.couplings.plans import inferred_from_plan, plan_from_factors
from jamie.correspondence.graphs.landmarks import require_distinct_cells
from jamie.correspondence.graphs.neighbors import directions
from jamie.correspondence.gromov.batched_solver import MarginalProblem

log = logging.getLogger(__name__)

EPSILONS = (0.03, 0.01)  # of the descents, for distances of mean 1
ITERATIONS, TOLERANCE = 40, 5e-3
ANCHORS = 3  # pairs of metacells that a start is drawn from
DRAWS = 20  # of anchors for each start, of which those are kept whose distances agree best
SHARPNESS = 0.1  # width of a start around its anchors, in medians of the cost
KEPT, DISTINCT = 5, 0.6  # optima of a grouping that are compared; the mass by which they differ, at most 2
SMOOTHING = 0.05  # part of a uniform plan in an optimum that is carried to another grouping
TEMPERATURE, LEAST_WEIGHT = (
    1e-3,
    1e-3,
)  # differences of the energy that count; less weight, relative to the best, is none
CELLS_PER_METACELL = 8  # at least, on average
SAMPLE = 5000  # cells that the metacells are learned from
SHOWN = 5


@dataclass(frozen=True)
class _Group:
    """Metacells of one modality.

    Parameters
    ----------
    members : (n, k)
        1 where a cell belongs to a metacell.
    centers : (k, d)
        Mean scores, less the mean of all cells.
    distances : (k, k)
        Cosine distances of these, of mean 1.
    """

    members: NDArray[np.float64]
    centers: NDArray[np.float64]
    distances: NDArray[np.float64]

    @property
    def share(self) -> NDArray[np.float64]:
        """(k,) fraction of the cells in each."""
        return np.asarray(self.members.mean(axis=0))


@dataclass(frozen=True)
class _Optimum:
    """A plan (k_x, k_y) between the metacells of a grouping."""

    grouping: int
    plan: NDArray[np.float64]


class MultistartGromovWasserstein(CorrespondenceInferer):
    """Matches metacells by Gromov-Wasserstein transport from many starts, and keeps the optima of the least energy.

    Cells of a few types can be laid over each other in several ways that distort their distances little, and a single
    descent ends in one of them. The cells of each modality are grouped into metacells, whose means have less noise than
    cells, in several ways. For each grouping, entropic transport starts from a uniform plan and from plans around three
    matched metacells whose distances agree. The different optima of all groupings are then compared by one objective:
    each is carried to every grouping, refined there, and its energies are averaged. The energy is ``sum_ijkl (K[i,j] -
    L[k,l])^2 T[i,k] T[j,l]`` less 0.01 times the entropy of T; K and L are cosine distances of the metacells' mean
    scores, divided by their mean. The result is the mean of the optima, weighted by exp(-energy / 0.001): where several
    are as good, it does not pick one. Cells of one metacell in all groupings have the same partners.

    The diagnostics name the best mean energy (`objective`), those of the five best optima (`optima`) with their weights
    (`optima_weights`), the number of optima (`candidates`), and their `agreement`: how much of the variance of cells
    that are projected on the other modality (the mean of their partners) is left if the projections of all weighted
    optima are averaged; 1 if all are one. If it is low, the distances do not tell which is right. Known pairs are not
    used. Time grows slowly with the number of cells; above 2**24 pairs, 50 partners of each cell are kept.

    Parameters
    ----------
    n_metacells : int
        Largest number of metacells; there are at least eight cells for each.
    n_groupings : int
        Number of groupings.
    n_starts : int
        Number of descents for each.
    """

    name = "multistart_gromov_wasserstein"
    references = ("10.1007/s10208-011-9093-5", "10.5555/3045390.3045671")
    uses_known = False

    def __init__(
        self,
        *,
        n_metacells: Annotated[int, Field(ge=3)] = 25,
        n_groupings: Annotated[int, Field(ge=1)] = 8,
        n_starts: Annotated[int, Field(ge=1)] = 24,
    ) -> None:
        self.n_metacells = n_metacells
        self.n_groupings = n_groupings
        self.n_starts = n_starts

    @classmethod
    def test_params(cls) -> dict[str, Any]:
        return {"n_groupings": 2, "n_starts": 4}

    def _memory(self, a: View, b: View) -> int:
        factors = 8 * 3 * self.n_groupings * KEPT * self.n_metacells * (a.n_cells + b.n_cells)
        return factors + 48 * min(a.n_cells * b.n_cells, ALL_PAIRS)

    def _infer(self, a: View, b: View, known: Correspondence, context: Context) -> Inferred:
        transposed = a.n_cells > b.n_cells
        x, y = (b, a) if transposed else (a, b)
        generator = context.generator()
        groupings = [(self._group(x, generator), self._group(y, generator)) for _ in range(self.n_groupings)]
        optima: list[_Optimum] = []
        for number, grouping in enumerate(groupings):
            optima += [_Optimum(number, plan) for plan in self._optima(grouping, generator)]
            context.progress("correspondence", number + 1, 2 * self.n_groupings, {})
        energies = np.zeros(len(optima))
        for number, grouping in enumerate(groupings):
            energies += _energies(optima, groupings, grouping) / self.n_groupings
            context.progress("correspondence", self.n_groupings + number + 1, 2 * self.n_groupings, {})
        weights = np.exp((energies.min() - energies) / TEMPERATURE)
        weights[weights < LEAST_WEIGHT] = 0
        weights /= weights.sum()
        best = np.argsort(energies, kind="stable")[:SHOWN]
        diagnostics: Diagnostics = {
            "objective": float(energies.min()),
            "candidates": len(optima),
            "agreement": _agreement(optima, groupings, weights),
            "optima": ", ".join(f"{energies[i]:.4f}" for i in best),
            "optima_weights": ", ".join(f"{weights[i]:.2f}" for i in best),
        }
        matrix = plan_from_factors(*_factors(optima, groupings, weights), seed=int(generator.integers(2**31)))
        return inferred_from_plan(matrix, transposed, diagnostics, full=True)

    def _group(self, view: View, generator: np.random.Generator) -> _Group:
        number = min(max(view.n_cells // CELLS_PER_METACELL, self.min_cells), self.n_metacells)
        labels = _cluster(view.scores, number, generator)
        members = np.eye(labels.max() + 1)[labels]
        share = members.mean(axis=0)
        centers = members.T @ (view.scores - view.scores.mean(axis=0, dtype=np.float64)) / members.sum(axis=0)[:, None]
        rows = directions(centers, "cosine")
        distances = np.maximum(1 - rows @ rows.T, 0)
        np.fill_diagonal(distances, 0)
        mean = float(share @ distances @ share)
        require_distinct_cells(mean > 0, view)
        return _Group(members, centers, distances / mean)

    def _optima(self, grouping: tuple[_Group, _Group], generator: np.random.Generator) -> list[NDArray[np.float64]]:
        """Return plans (k_x, k_y) of low energy that differ, the least first."""
        problem = _problem(grouping)
        uniform = problem.uniform_plan()
        drawn = [torch.as_tensor(_start(grouping, generator)) for _ in range(self.n_starts - 1)]
        plans = problem.descend(torch.stack([uniform, *drawn]), EPSILONS, ITERATIONS, TOLERANCE)
        kept: list[torch.Tensor] = []
        for i in torch.argsort(problem.energy(plans, EPSILONS[-1]), stable=True):
            if len(kept) < KEPT and all(float((plans[i] - other).abs().sum()) > DISTINCT for other in kept):
                kept.append(plans[i])
        return [plan.numpy() for plan in kept]


def _cluster(scores: NDArray[np.float32], n_clusters: int, generator: np.random.Generator) -> Index:
    """(n,) cluster of each cell, by k-means; none is empty."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    sample = scores
    if len(scores) > SAMPLE:
        sample = scores[np.sort(generator.choice(len(scores), SAMPLE, replace=False))]
    means = KMeans(n_clusters, n_init=3, random_state=int(generator.integers(2**31)))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=ConvergenceWarning)  # if cells coincide
        labels = means.fit(sample.astype(np.float64)).predict(scores.astype(np.float64))
    return np.unique(labels, return_inverse=True)[1].ravel().astype(np.int64)


def _problem(grouping: tuple[_Group, _Group]) -> MarginalProblem:
    x, y = grouping
    return MarginalProblem(*(torch.as_tensor(v) for v in (x.distances, y.distances, x.share, y.share)))


def _start(grouping: tuple[_Group, _Group], generator: np.random.Generator) -> NDArray[np.float64]:
    """(k_x, k_y) plan that matches metacells at similar distances to matched anchors."""
    K, L = (group.distances for group in grouping)
    n = min(ANCHORS, len(K), len(L))
    anchors = [
        tuple(generator.choice(len(group.share), n, replace=False, p=group.share) for group in grouping)
        for _ in range(DRAWS)
    ]
    i, k = min(anchors, key=lambda drawn: float(np.abs(_among(K, drawn[0]) - _among(L, drawn[1])).sum()))
    cost = np.square(K[:, None, i] - L[None, :, k]).sum(axis=2)
    kernel = np.exp(-cost / (SHARPNESS * np.median(cost) + np.finfo(float).tiny))
    return np.asarray(kernel / kernel.sum())


def _among(distances: Floats, cells: Index) -> Floats:
    return distances[np.ix_(cells, cells)]


def _energies(
    optima: list[_Optimum], groupings: list[tuple[_Group, _Group]], to: tuple[_Group, _Group]
) -> NDArray[np.float64]:
    """Energy of each optimum, carried to another grouping and refined there."""
    problem, carried = _problem(to), []
    uniform = problem.uniform_plan().numpy()
    for optimum in optima:
        (from_x, from_y), (to_x, to_y) = groupings[optimum.grouping], to
        joint_x = to_x.members.T @ from_x.members / from_x.members.sum(axis=0)
        joint_y = to_y.members.T @ from_y.members / from_y.members.sum(axis=0)
        carried.append((1 - SMOOTHING) * joint_x @ optimum.plan @ joint_y.T + SMOOTHING * uniform)
    plans = problem.descend(torch.as_tensor(np.stack(carried)), EPSILONS[-1:], ITERATIONS, TOLERANCE)
    return np.asarray(problem.energy(plans, EPSILONS[-1]))


def _agreement(optima: list[_Optimum], groupings: list[tuple[_Group, _Group]], weights: NDArray[np.float64]) -> float:
    """Variance of the mean of the projected cells over the mean of their variances, mean over both modalities."""
    used = np.flatnonzero(weights)
    sides: list[float] = []
    for side, other in ((0, 1), (1, 0)):
        members, projections = [], []
        for optimum in (optima[i] for i in used):
            pair = groupings[optimum.grouping]
            plan = optimum.plan.T if side else optimum.plan
            members.append(pair[side].members[:SAMPLE])
            projections.append(plan @ pair[other].centers / plan.sum(axis=1, keepdims=True))
        sides.append(_projected_agreement(members, projections, weights[used]))
    return sum(sides) / 2


def _projected_agreement(
    members: list[NDArray[np.float64]], projections: list[NDArray[np.float64]], weights: NDArray[np.float64]
) -> float:
    """Variance that the mean of projections of the same cells keeps.

    Parameters
    ----------
    members : (n, k)
        For each projection, the metacells of the cells.
    projections : (k, d)
        What each metacell is projected on.
    weights
        Of the projections.
    """
    mean, squares = np.zeros((len(members[0]), projections[0].shape[1])), 0.0
    for weight, member, values in zip(weights, members, projections, strict=True):
        projected = member @ values
        mean += weight * projected
        squares += weight * float(np.square(projected).sum())
    return float(np.square(mean).sum()) / squares if squares > 0 else 0.0


def _factors(
    optima: list[_Optimum], groupings: list[tuple[_Group, _Group]], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Factors of the mean plan, as `plan_from_factors` reads them; optima without weight are left out."""
    used = np.flatnonzero(weights)
    q, r, g = [], [], []
    for weight, optimum in zip(weights[used], (optima[i] for i in used), strict=True):
        x, y = groupings[optimum.grouping]
        q.append(weight * x.members @ (optimum.plan / optimum.plan.sum(axis=1, keepdims=True)))
        r.append(y.members / len(used))
        g.append(y.share / len(used))
    return np.hstack(q), np.hstack(r), np.concatenate(g)
