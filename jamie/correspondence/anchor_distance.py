"""Cells described by their distances to cells whose partner is known."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Inferred
from jamie.core.data import View
from jamie.core.errors import DataError
from jamie.core.interfaces import CorrespondenceInferer, Distance
from jamie.correspondence.couplings.known_pairs import known_pairs
from jamie.correspondence.couplings.matching import match, memory_of_matching
from jamie.correspondence.distances.geodesic import Geodesic

LEAST_PAIRS = 3


class AnchorDistance(CorrespondenceInferer):
    """Matches cells whose distances to known pairs (anchors), each within its own modality, are alike.

    A cell's profile is its closeness ``exp(-(rank / n)^2 / 2 s^2)`` to each anchor, rank being the place of its
    distance among the distances of all n cells to that anchor: so neither the units of a modality nor a stretched
    part of it matter. Profiles are centred over the cells and compared by their cosine; cells are then matched by
    optimal transport that leaves out what resembles nothing. Nothing is learned: modalities have to be alike in shape.

    Parameters
    ----------
    distance : Distance
        Distances within a modality.
    n_anchors : int
        Most anchors: of more pairs, those that are furthest from each other in turn.
    width : float
        s, in parts of the cells.
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
        return 32 * self.n_anchors * (a.n_cells + b.n_cells) + memory_of_matching(a.n_cells, b.n_cells)

    def _infer(self, a: View, b: View, known: Correspondence, context: Context) -> Inferred:
        generator = context.generator()
        where = f"correspondence '{self.name}', {a.modality} and {b.modality}"
        rows, columns, _ = known_pairs(known, LEAST_PAIRS, where)
        chosen = _spread_out(a.scores[rows], b.scores[columns], self.n_anchors)
        profiles = []
        for done, (view, anchors) in enumerate(((a, rows[chosen]), (b, columns[chosen]))):
            profiles.append(self._profiles(view, anchors))
            context.progress("correspondence", done + 1, 3, {"anchors": len(chosen)})
        found = match(
            profiles[0],
            profiles[1],
            pairs=known.one_to_one().pairs(),
            temperature=self.temperature,
            seed=int(generator.integers(2**31)),
            diagnostics={"n_known_pairs": len(rows), "n_anchors": len(chosen)},
        )
        context.progress("correspondence", 3, 3, {"anchors": len(chosen)})
        return found

    def _profiles(self, view: View, anchors: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n, n_anchors) centred closeness of each cell to each anchor."""
        if not np.ptp(view.scores, axis=0).any():
            raise DataError(
                f"expected cells that differ, found {view.n_cells} cells at distance 0",
                where=f"correspondence '{self.name}', modality '{view.modality}'",
                fix="choose another layer, or preprocessing that leaves differences",
            )
        distances = self.distance.pairwise(view, to=anchors)
        closeness = np.exp(-((_ranks(distances) / self.width) ** 2) / 2)
        return np.asarray(closeness - closeness.mean(axis=0), np.float32)


def _ranks(distances: NDArray[np.floating]) -> NDArray[np.float64]:
    """(n, k) place of each distance in its column, from 0 to 1; equal ones share theirs."""
    from scipy.stats import rankdata

    return np.asarray((rankdata(distances, axis=0) - 1) / max(len(distances) - 1, 1), np.float64)


def _spread_out(x: NDArray[np.floating], y: NDArray[np.floating], most: int) -> NDArray[np.int64]:
    """Choose at most so many pairs, each the furthest from those before, in both modalities taken together."""
    if len(x) <= most:
        return np.arange(len(x))
    joint = np.hstack([(z - z.mean(axis=0)) / max(float(z.std(axis=0).max()), 1e-12) for z in (x, y)])
    chosen = [int(((joint - joint.mean(axis=0)) ** 2).sum(axis=1).argmin())]
    nearest = np.full(len(joint), np.inf)
    while len(chosen) < most:
        nearest = np.minimum(nearest, ((joint - joint[chosen[-1]]) ** 2).sum(axis=1))
        chosen.append(int(nearest.argmax()))
    return np.array(chosen)
