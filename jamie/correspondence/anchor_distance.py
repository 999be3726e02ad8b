"""Cells described by their distances to cells with a known partner."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Inferred
from jamie.core.data import View
from jamie.core.interfaces import CorrespondenceInferer, Distance
from jamie.correspondence.arrays import Floats, Index
from jamie.correspondence.couplings.matching import match_by_cosine, matching_memory
from jamie.correspondence.couplings.pairs import require_pairs
from jamie.correspondence.distances.geodesic import Geodesic
from jamie.correspondence.graphs.landmarks import farthest_points, require_distinct_cells

LEAST_PAIRS = 3


class AnchorDistance(CorrespondenceInferer):
    """Matches cells with similar distances to known pairs (anchors), each within its own modality.

    The profile of a cell is its closeness ``exp(-(rank / n)^2 / 2 s^2)`` to each anchor; rank is the rank of its
    distance among the distances of all n cells to that anchor. So neither the units of a modality nor a stretched
    part of it matter. Profiles are centered over the cells and compared by their cosine; cells are then matched by
    optimal transport that leaves out dissimilar cells. Nothing is learned: modalities have to be similar in shape.

    Parameters
    ----------
    distance : Distance
        Distances within a modality.
    n_anchors : int
        Largest number of anchors: of more pairs, each is the farthest from the ones before.
    width : float
        s, as a fraction of the cells.
    temperature : float
        Difference of the cosine over which a confidence changes by a factor e; smaller is sharper.
    """

    name = "anchor_distance"
    needs = frozenset({"known"})
    references = ("10.1126/science.290.5500.2319",)

    def __init__(
        self,
        *,
        distance: Distance = Geodesic(),
        n_anchors: Annotated[int, Field(ge=LEAST_PAIRS)] = 200,
        width: PositiveFloat = 0.25,
        temperature: PositiveFloat = 0.1,
    ) -> None:
        self.distance = distance
        self.n_anchors = n_anchors
        self.width = width
        self.temperature = temperature

    @classmethod
    def test_params(cls) -> dict[str, Any]:
        return {"n_anchors": 20}

    def _memory(self, a: View, b: View) -> int:
        return 32 * self.n_anchors * (a.n_cells + b.n_cells) + matching_memory(a.n_cells, b.n_cells)

    def _infer(self, a: View, b: View, known: Correspondence, context: Context) -> Inferred:
        generator = context.generator()
        rows, columns, _ = require_pairs(
            known, LEAST_PAIRS, f"correspondence '{self.name}', {a.modality} and {b.modality}"
        )
        chosen = _choose_anchors(a.scores[rows], b.scores[columns], self.n_anchors)
        values = {"anchors": len(chosen)}
        profiles = []
        for view, cells in ((a, rows), (b, columns)):
            profiles.append(self._profiles(view, cells[chosen]))
            context.progress("correspondence", len(profiles), 3, values)
        inferred = match_by_cosine(
            *profiles,
            pairs=known.one_to_one().pairs(),
            temperature=self.temperature,
            seed=int(generator.integers(2**31)),
            diagnostics={"n_known_pairs": len(rows), "n_anchors": len(chosen)},
        )
        context.progress("correspondence", 3, 3, values)
        return inferred

    def _profiles(self, view: View, anchors: Index) -> NDArray[np.float32]:
        """(n, n_anchors) centered closeness of each cell to each anchor."""
        from scipy.stats import rankdata

        require_distinct_cells(np.ptp(view.scores, axis=0).any(), view)
        distances = self.distance.pairwise(view, to=anchors)
        ranks = np.asarray((rankdata(distances, axis=0) - 1) / max(len(distances) - 1, 1), np.float64)
        closeness = np.exp(-((ranks / self.width) ** 2) / 2)
        return np.asarray(closeness - closeness.mean(axis=0), np.float32)


def _choose_anchors(x: Floats, y: Floats, most: int) -> Index:
    """Choose pairs that cover the known ones in both modalities together; all if there are no more than `most`."""
    if len(x) <= most:
        return np.arange(len(x))
    return farthest_points(
        np.hstack([(z - z.mean(axis=0)) / max(float(z.std(axis=0).max()), 1e-12) for z in (x, y)]), most
    )
