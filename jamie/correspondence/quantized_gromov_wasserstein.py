"""Gromov-Wasserstein matching of parts, and of the cells within matched parts."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import sparse

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Inferred
from jamie.core.data import View
from jamie.core.errors import DataError
from jamie.core.interfaces import CorrespondenceInferer, Distance
from jamie.correspondence.couplings.plans import inferred_from_plan, with_tail
from jamie.correspondence.distances.geodesic import Geodesic
from jamie.correspondence.graphs.landmarks import spread_out
from jamie.correspondence.gromov.annealing import Sides, heard

log = logging.getLogger(__name__)

STATIONARY = 1e-4  # part of the mean squared distance that a step of a transport that has converged may still gain


class QuantizedGromovWasserstein(CorrespondenceInferer):
    """Matches parts of the modalities by their distances, then cells within matched parts (POT).

    Representatives that cover a modality are chosen, each the furthest from those before, and each cell belongs to
    the part of the nearest. POT's ``quantized_fused_gromov_wasserstein_partitioned`` matches the representatives
    (Gromov-Wasserstein transport without entropy, which is exact but ends in the optimum nearest to the uniform
    plan), then in matched parts cells at like distances from their representatives. Nothing is larger than cells x
    representatives. Cells that are not matched are ranked by how well their distances to the representatives of the
    other modality agree, where the plan tells which those are. Few cells have several partners, so that confidences
    say little of how sure a partner is: trust the quality on hidden pairs.

    Known pairs are not used.

    Parameters
    ----------
    distance : Distance
        Distances between the cells of one modality; only those to representatives are computed.
    n_parts : int
        Parts of each modality; at most half of its cells.
    max_iterations : int
        Most steps of the transport between representatives.
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
        return 48 * cells * self.n_parts + 16 * entries // self.n_parts + 40 * min(entries, 2**24)

    def _infer(self, a: View, b: View, known: Correspondence, context: Context) -> Inferred:
        sides = Sides.of(a, b)
        x, y = (Parts.of(view, self.distance, self.n_parts) for view in (sides.x, sides.y))
        between, within, found = self._transport(x, y, context)
        context.progress("correspondence", 1, 1, {"objective": float(found["objective"])})
        plan = _assembled(between, within, x, y)
        weights = np.sqrt(np.maximum(between.sum(axis=0), 0))
        images = x.distances @ (between / np.maximum(between.sum(axis=0), np.finfo(float).tiny))
        seed = int(context.generator().integers(2**31))
        matrix = with_tail(plan * sides.x.n_cells, images * weights, y.distances * weights, seed)
        return inferred_from_plan(matrix, sides.transposed, found, full=False)

    def _transport(
        self, x: Parts, y: Parts, context: Context
    ) -> tuple[NDArray[np.float64], dict[tuple[int, int], NDArray[np.float64]], dict[str, float | int | bool | str]]:
        from ot.gromov import quantized_fused_gromov_wasserstein_partitioned

        with heard() as notes:
            between, within, _, told = quantized_fused_gromov_wasserstein_partitioned(
                x.among,
                y.among,
                x.to_representative,
                y.to_representative,
                x.weights,
                y.weights,
                max_iter=self.max_iterations,
                tol_rel=self.tolerance,
                tol_abs=self.tolerance,
                log=True,
            )
            gap = _gap(between, x, y)
        for note in notes:
            log.info("%s: POT: %s", context.stage, note)
        if gap > STATIONARY:
            message = "%s: %s had not converged (its transport could gain %.2g at the next step); raise max_iterations"
            log.warning(message, context.stage, self.name, gap)
        objective = float(np.sqrt(max(float(told["global dist"]), 0) / y.mean_square))
        return (
            between,
            within,
            {
                "converged": gap <= STATIONARY,
                "objective": objective,
                "change": gap,
                "parts": len(x.sizes),
            },
        )


@dataclass(frozen=True)
class Parts:
    """Cells in parts around representatives.

    Parameters
    ----------
    distances : (n, m)
        To the representatives, divided by the mean.
    representatives : (m,)
        Cells.
    members
        Cells of each part.
    """

    distances: NDArray[np.float64]
    representatives: NDArray[np.int64]
    members: list[NDArray[np.int64]]

    @classmethod
    def of(cls, view: View, distance: Distance, n_parts: int) -> Parts:
        """Divide a modality.

        Raises
        ------
        DataError
            Where all cells lie at one point.
        """
        chosen = spread_out(view.scores, max(min(n_parts, view.n_cells // 2), 1))
        distances = distance.pairwise(view, chosen)
        if not distances.mean() > 0:
            raise DataError(
                f"expected cells that differ, found {view.n_cells} cells at distance 0 from each other",
                where=f"correspondence, modality '{view.modality}'",
                fix="check the layer and the preprocessing of this modality",
            )
        part = distances.argmin(axis=1)
        part[chosen] = np.arange(len(chosen))
        members = [np.flatnonzero(part == number) for number in range(len(chosen))]
        return cls(distances / distances.mean(), chosen, members)

    @property
    def among(self) -> NDArray[np.float64]:
        """(m, m) distances of the representatives."""
        return self.distances[self.representatives]

    @property
    def mean_square(self) -> float:
        """Of the distances between representatives, weighted by the cells of their parts."""
        shares = self.sizes / self.sizes.sum()
        return float(shares @ self.among**2 @ shares)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """(m,) cells of each part."""
        return np.array([len(cells) for cells in self.members])

    @property
    def to_representative(self) -> list[NDArray[np.float64]]:
        """Of each part, (cells, 1) distances to its representative."""
        return [self.distances[cells, number][:, None] for number, cells in enumerate(self.members)]

    @property
    def weights(self) -> list[NDArray[np.float64]]:
        """Of each part, (cells,) weights, which sum to 1 over all parts."""
        return [np.full(len(cells), 1 / len(self.distances)) for cells in self.members]


def _gap(between: NDArray[np.float64], x: Parts, y: Parts) -> float:
    """Return what the best step could gain to first order, over the mean squared distance: 0 at an optimum."""
    from ot import emd

    p, q = between.sum(axis=1), between.sum(axis=0)
    cost = (x.among**2 @ p)[:, None] + y.among**2 @ q - 2 * x.among @ between @ y.among
    better = emd(p, q / q.sum() * p.sum(), cost)
    return max(float((cost * (between - better)).sum()) / y.mean_square, 0.0)


def _assembled(
    between: NDArray[np.float64], within: dict[tuple[int, int], NDArray[np.float64]], x: Parts, y: Parts
) -> sparse.csr_array:
    """(n_x, n_y) plan: the mass between two parts, spread as the plan within them."""
    rows, columns, values = [], [], []
    for (i, j), local in within.items():
        entries = sparse.coo_array(local)
        rows.append(x.members[i][entries.row])
        columns.append(y.members[j][entries.col])
        values.append(between[i, j] * entries.data)
    index = (np.concatenate(rows), np.concatenate(columns))
    return sparse.csr_array((np.concatenate(values), index), shape=(len(x.distances), len(y.distances)))
