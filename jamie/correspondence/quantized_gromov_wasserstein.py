"""Gromov-Wasserstein matching of parts, and of the cells within matched parts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import sparse

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Inferred
from jamie.core.data import View
from jamie.core.interfaces import CorrespondenceInferer, Distance
from jamie.correspondence.arrays import Diagnostics, Index
from jamie.correspondence.couplings.coupling import ALL_PAIRS
from jamie.correspondence.couplings.plans import inferred_from_plan, with_tail
from jamie.correspondence.distances.geodesic import Geodesic
from jamie.correspondence.graphs.landmarks import farthest_points, require_distinct_cells
from jamie.correspondence.gromov.entropic_solver import pot_warnings, warn_unconverged

STATIONARY = 1e-4  # fraction of the mean squared distance that the next step may gain at convergence


class QuantizedGromovWasserstein(CorrespondenceInferer):
    """Matches parts of the modalities by their distances, then cells within matched parts (POT).

    Representatives that cover a modality are chosen, each the farthest from the ones before, and each cell belongs to
    the part of the nearest. POT's ``quantized_fused_gromov_wasserstein_partitioned`` matches the representatives
    (Gromov-Wasserstein transport without entropy, which is exact but ends in the optimum nearest to the uniform
    plan), then, in matched parts, cells at similar distances from their representatives. No array is larger than cells
    x representatives. Cells that are not matched are ranked by how well their distances to matched representatives
    agree. Most cells have one partner, so that confidences say little about the certainty of a partner: trust the
    quality on hidden pairs.

    Known pairs are not used.

    Parameters
    ----------
    distance : Distance
        Distances between the cells of one modality; only those to representatives are computed.
    n_parts : int
        Parts of each modality; at most half of its cells.
    max_iterations : int
        Largest number of steps of the transport between representatives.
    tolerance : float
        Relative change of its objective at which that transport has converged.
    """

    name = "quantized_gromov_wasserstein"
    uses_known = False
    references = ("10.1007/978-3-030-86523-8_49",)

    def __init__(
        self,
        *,
        distance: Distance = Geodesic(),
        n_parts: Annotated[int, Field(ge=2)] = 200,
        max_iterations: Annotated[int, Field(ge=1)] = 1000,
        tolerance: Annotated[float, Field(gt=0)] = 1e-9,
    ) -> None:
        self.distance = distance
        self.n_parts = n_parts
        self.max_iterations = max_iterations
        self.tolerance = tolerance

    def _memory(self, a: View, b: View) -> int:
        cells, entries = a.n_cells + b.n_cells, a.n_cells * b.n_cells
        return 48 * cells * self.n_parts + 16 * entries // self.n_parts + 40 * min(entries, ALL_PAIRS)

    def _infer(self, a: View, b: View, known: Correspondence, context: Context) -> Inferred:
        transposed = a.n_cells > b.n_cells
        x, y = (Partition.of(view, self.distance, self.n_parts) for view in ((b, a) if transposed else (a, b)))
        between, plan, diagnostics = self._transport(x, y, context)
        context.progress("correspondence", 1, 1, {"objective": float(diagnostics["objective"])})
        marginal = between.sum(axis=0)
        weights = np.sqrt(np.maximum(marginal, 0))
        images = x.distances @ (between / np.maximum(marginal, np.finfo(float).tiny))
        seed = int(context.generator().integers(2**31))
        matrix = with_tail(plan * len(x.distances), images * weights, y.distances * weights, seed)
        return inferred_from_plan(matrix, transposed, diagnostics, full=False)

    def _transport(
        self, x: Partition, y: Partition, context: Context
    ) -> tuple[NDArray[np.float64], sparse.csr_array, Diagnostics]:
        """Plan between the parts, plan between the cells, and diagnostics."""
        from ot.gromov import quantized_fused_gromov_wasserstein_partitioned

        with pot_warnings(context):
            between, within, _, log = quantized_fused_gromov_wasserstein_partitioned(
                *(x.among, y.among),
                *(x.to_representative, y.to_representative),
                *(x.weights, y.weights),
                max_iter=self.max_iterations,
                tol_rel=self.tolerance,
                tol_abs=self.tolerance,
                log=True,
            )
            gain = _relative_gain(between, x, y)
        if gain > STATIONARY:
            warn_unconverged(context, self.name, f"the next step of its transport could gain {gain:.2g}")
        diagnostics: Diagnostics = {
            "converged": gain <= STATIONARY,
            "objective": float(np.sqrt(max(float(log["global dist"]), 0) / y.mean_square)),
            "change": gain,
            "parts": len(x.members),
        }
        return between, _plan_of_cells(between, within, x, y), diagnostics


@dataclass(frozen=True)
class Partition:
    """Cells in parts around representatives.

    Parameters
    ----------
    distances : (n, m)
        Distances to the representatives, divided by their mean.
    representatives : (m,)
        Cells.
    members
        Cells of each part.
    """

    distances: NDArray[np.float64]
    representatives: Index
    members: list[Index]

    @classmethod
    def of(cls, view: View, distance: Distance, n_parts: int) -> Partition:
        """Divide a modality.

        Raises
        ------
        DataError
            If all cells are equal.
        """
        chosen = farthest_points(view.scores, max(min(n_parts, view.n_cells // 2), 1))
        distances = distance.pairwise(view, chosen)
        require_distinct_cells(distances.mean() > 0, view)
        part = distances.argmin(axis=1)
        part[chosen] = np.arange(len(chosen))
        members = [np.flatnonzero(part == number) for number in range(len(chosen))]
        return cls(distances / distances.mean(), chosen, members)

    @property
    def among(self) -> NDArray[np.float64]:
        """(m, m) distances between the representatives."""
        return self.distances[self.representatives]

    @cached_property
    def mean_square(self) -> float:
        """Mean squared distance between representatives, weighted by the cells of their parts."""
        sizes = np.array([len(cells) for cells in self.members])
        shares = sizes / sizes.sum()
        return float(shares @ self.among**2 @ shares)

    @property
    def to_representative(self) -> list[NDArray[np.float64]]:
        """For each part, (cells, 1) distances to its representative."""
        return [self.distances[cells, number][:, None] for number, cells in enumerate(self.members)]

    @property
    def weights(self) -> list[NDArray[np.float64]]:
        """For each part, (cells,) weights, which sum to 1 over all parts."""
        return [np.full(len(cells), 1 / len(self.distances)) for cells in self.members]


def _relative_gain(between: NDArray[np.float64], x: Partition, y: Partition) -> float:
    """First-order gain of the best step, relative to the mean squared distance: 0 at an optimum."""
    from ot import emd

    p, q = between.sum(axis=1), between.sum(axis=0)
    cost = (x.among**2 @ p)[:, None] + y.among**2 @ q - 2 * x.among @ between @ y.among
    better = emd(p, q / q.sum() * p.sum(), cost)
    return max(float((cost * (between - better)).sum()) / y.mean_square, 0.0)


def _plan_of_cells(
    between: NDArray[np.float64], within: dict[tuple[int, int], NDArray[np.float64]], x: Partition, y: Partition
) -> sparse.csr_array:
    """(n_x, n_y) plan: the mass between two parts, spread by the plan within them."""
    blocks = []
    for (i, j), local in within.items():
        entries = sparse.coo_array(local)
        blocks.append((x.members[i][entries.row], y.members[j][entries.col], between[i, j] * entries.data))
    rows, columns, values = (np.concatenate(part) for part in zip(*blocks, strict=True))
    return sparse.csr_array((values, (rows, columns)), shape=(len(x.distances), len(y.distances)))
