"""Canonical correlation analyses of known pairs, refined by what they match."""

from __future__ import annotations

import logging
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Inferred
from jamie.core.data import View
from jamie.core.interfaces import CorrespondenceInferer
from jamie.correspondence.couplings.known_pairs import known_pairs
from jamie.correspondence.couplings.matching import ALL_PAIRS, match, memory_of_matching
from jamie.correspondence.graphs.smoothing import smoothed_levels
from jamie.correspondence.shared_space.canonical import Levels
from jamie.correspondence.shared_space.in_distribution import familiarity
from jamie.correspondence.shared_space.model_selection import Choice, Known, choose
from jamie.correspondence.shared_space.seed_ensemble import (
    COMPONENTS,
    DIMENSIONS,
    LEVELS,
    Ensemble,
    Refinement,
    all_members,
    compressed,
    fit_ensemble,
    moments_of_pairs,
)

log = logging.getLogger(__name__)

LEAST_PAIRS = 3
PRACTICE = 1000  # cells without a known partner among which held-out ones are looked for
CHANCE = 2.0  # squared way between the means of known and of all cells that may be chance, in its expectation
REFINING = 3000  # and that take part in the refinement
PSEUDO_PAIRS = 40.0  # their mass, in known pairs
_TINY = 1e-30


class Seeded(CorrespondenceInferer):
    """Matches cells by canonical correlation analyses of known pairs, refined by what they match.

    Leading scores, as they are and smoothed over nearest-neighbour graphs of all cells, enter regularised canonical
    correlation analyses of the known pairs: with 8, 20 and 50 components, four shrinkages and two weightings of the
    canonical variates. Their cosine similarities are averaged, each weighed by how high it ranks known pairs that
    were held out, and the more alike the fewer there are. Then cells of unknown partner join: the entropic transport
    plan between them adds to the covariances, with the mass of 40 pairs, unless held-out pairs are then clearly ranked
    lower (Student's t, 5 %). That helps where pairs are few, and is outweighed where they are many.

    At last the cells without a known partner are matched by optimal transport. It is balanced, unless held-out pairs
    are clearly ranked lower by it than by one with damped factors, as where the types of cells have other proportions
    in the other modality. A cell that resembles none of the other modality, by the measure of the cells that are known
    to have a partner, keeps little mass, as does one that is far from all these in its own.

    At least three known pairs are needed. Nothing grows with n_a x n_b where that exceeds 2^24: the similarities are
    then brought down to 64 dimensions, and the 50 nearest of each cell are kept (15 above 250,000 cells).

    Parameters
    ----------
    refine : bool
        Whether cells of unknown partner may join, unless held-out pairs are then harder to find.
    rounds : int
        Number of times that they are matched and the analyses repeated, at a temperature that falls from three times
        the last.
    temperature : float
        Difference of the cosine over which a confidence changes by a factor e; smaller is sharper.
    """

    name = "seeded"
    needs = frozenset({"known"})
    references = ("10.1093/biomet/28.3-4.321", "10.1016/0304-4076(76)90010-5", "10.1090/mcom/3303")

    def __init__(
        self, *, refine: bool = True, rounds: Annotated[int, Field(ge=1)] = 8, temperature: PositiveFloat = 0.1
    ) -> None:
        self.refine = refine
        self.rounds = rounds
        self.temperature = temperature

    @classmethod
    def test_params(cls) -> dict[str, Any]:
        return {"rounds": 1}

    def _memory(self, a: View, b: View) -> int:
        scores = max(a.scores.shape[1], b.scores.shape[1])
        each = 8 * (LEVELS * max(COMPONENTS) + DIMENSIONS)
        if a.n_cells * b.n_cells <= ALL_PAIRS:
            each += 2 * 4 * sum(member.n_components for member in all_members(scores))
        practice = 32 * min(REFINING, a.n_cells) * min(REFINING, b.n_cells)
        return each * (a.n_cells + b.n_cells) + max(memory_of_matching(a.n_cells, b.n_cells), practice)

    def _infer(self, a: View, b: View, known: Correspondence, context: Context) -> Inferred:
        generator = context.generator()
        pairs = known_pairs(known, LEAST_PAIRS, f"correspondence '{self.name}', {a.modality} and {b.modality}")
        seeds = generator.integers(2**31, size=3)
        x, y = (
            _centred(smoothed_levels(view.scores, max(COMPONENTS), int(seed)), cells)
            for view, seed, cells in zip((a, b), seeds, pairs[:2], strict=False)
        )
        choice = self._choose((x, y), _with_others(pairs, (x, y), PRACTICE, generator), generator, context)
        ensemble = self._fit(x, y, _with_others(pairs, (x, y), REFINING, generator), choice)
        if a.n_cells * b.n_cells <= ALL_PAIRS:
            here, there = ensemble.coordinates(x, 0), ensemble.coordinates(y, 1)
        else:
            here, there = compressed(ensemble, x, y, generator)
        shares = familiarity(x[0], pairs[0], generator), familiarity(y[0], pairs[1], generator)
        del x, y
        diagnostics = {
            "n_known_pairs": len(pairs[0]),
            "n_analyses": len(choice.members),
            "n_components": _typical_components(choice),
            "rounds": self.rounds if choice.pseudo_pairs else 0,
            "n_pseudo_pairs": choice.pseudo_pairs,
            "rigour": choice.rigour,
            "held_out_quantile": choice.quantile,
            "held_out_quantile_unrefined": choice.start_quantile,
        }
        return match(
            here,
            there,
            pairs=known.one_to_one().pairs(),
            shares=shares,
            temperature=self.temperature,
            rigour=choice.rigour,
            seed=int(seeds[2]),
            diagnostics=diagnostics,
        )

    def _choose(
        self, levels: tuple[Levels, Levels], known: Known, generator: np.random.Generator, context: Context
    ) -> Choice:
        def report(done: int, total: int, quantile: float) -> None:
            context.progress("correspondence", done, total, {"quantile": quantile})

        mass = PSEUDO_PAIRS if self.refine else 0.0
        found = choose(levels, known, mass, self._refinement(1.0), generator, report)
        log.info(
            "%s: held-out known pairs at a mean quantile of %.3f, %.3f before cells of unknown partner joined (%s)",
            *(context.stage, found.quantile, found.start_quantile),
            f"as {found.pseudo_pairs:g} pairs" if found.pseudo_pairs else "none does",
        )
        return found

    def _fit(self, x: Levels, y: Levels, known: Known, choice: Choice) -> Ensemble:
        return fit_ensemble(
            moments_of_pairs(x, y, known.a, known.b, known.weights),
            ([level[known.others_a] for level in x], [level[known.others_b] for level in y]),
            (choice.members, choice.weights),
            choice.pseudo_pairs,
            self._refinement(choice.rigour),
        )

    def _refinement(self, rigour: float) -> Refinement:
        return Refinement(self.rounds, self.temperature, rigour)


def _centred(levels: Levels, known: NDArray[np.int64]) -> Levels:
    """Move the origin from the mean of all cells to that of the known ones where these are another sample.

    Where types have other proportions in the other modality, only the known ones have means that belong together. But
    means of few cells are uncertain: nothing moves up to `CHANCE` times the squared way between the means that is
    expected of cells drawn at random, and beyond soon all of the way.
    """
    found = []
    for level in levels:
        n, k = len(level), len(known)
        way = level[known].mean(axis=0)
        expected = float(level.var(axis=0).sum()) * (1 / k - 1 / n)
        share = max(0.0, 1 - (CHANCE * expected / max(float((way**2).sum()), _TINY)) ** 2)
        found.append(level - np.float32(share) * way)
    return found


def _with_others(
    pairs: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]],
    levels: tuple[Levels, Levels],
    most: int,
    generator: np.random.Generator,
) -> Known:
    """Add some cells of unknown partner."""
    rows, columns, weights = pairs
    others = (
        generator.permutation(np.setdiff1d(np.arange(len(level[0])), known))[:most]
        for level, known in zip(levels, (rows, columns), strict=True)
    )
    return Known(rows, columns, weights, *others)


def _typical_components(choice: Choice) -> float:
    """Mean number of components over the analyses, by weight."""
    return float(np.dot(choice.weights, [member.n_components for member in choice.members]))
