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
from jamie.correspondence.arrays import Floats, Index
from jamie.correspondence.couplings.matching import ALL_PAIRS, match_by_cosine, matching_memory
from jamie.correspondence.couplings.pairs import WeightedPairs, require_pairs
from jamie.correspondence.graphs.neighbors import nearest
from jamie.correspondence.graphs.smoothing import smoothed_levels
from jamie.correspondence.shared_space.canonical import Levels
from jamie.correspondence.shared_space.model_selection import SeedCells, select_settings
from jamie.correspondence.shared_space.seed_ensemble import (
    COMPONENTS,
    EnsembleSettings,
    compressed_coordinates,
    fit_ensemble,
    memory_per_cell,
    moments_of_pairs,
    rows_of,
)

log = logging.getLogger(__name__)

LEAST_PAIRS = 3
SELECTING = 1000  # unpaired cells among which held-out cells are ranked
REFINING = 3000  # unpaired cells that take part in the refinement
PSEUDO_PAIRS = 40.0  # their mass, in known pairs
CHANCE = 2.0  # squared distance between the means of known and of all cells, relative to what chance gives
NOVELTY_COMPONENTS, NOVELTY_NEIGHBORS, NOVELTY_CELLS = 20, 3, 2000  # leading scores, neighbors, known cells
TYPICAL, MARGIN, WIDTH = 0.95, 1.25, 0.25  # quantile of the known cells' distances, factor beyond, width of the fall
_TINY = 1e-30


class Seeded(CorrespondenceInferer):
    """Matches cells by canonical correlation analyses of known pairs, refined by what they match.

    Leading scores, unsmoothed and smoothed over nearest-neighbor graphs of all cells, enter regularized canonical
    correlation analyses of the known pairs: with 8, 20 and 50 components, four shrinkages and two weightings of the
    canonical variates. Their cosine similarities are averaged; each is weighted by how high it ranks held-out known
    pairs, and weights are more equal if there are few. Then cells without a known partner join: the entropic transport
    plan between them adds to the covariances, with the mass of 40 pairs, unless held-out pairs are then clearly ranked
    lower (Student's t, 5 %). That helps if pairs are few, and makes little difference if they are many.

    Finally, the cells without a known partner are matched by optimal transport. It is balanced, unless unbalanced
    transport clearly ranks held-out pairs higher, as it does if cell types have other proportions in the other
    modality. A cell keeps little mass if it is less similar to the other modality than cells with a known partner are,
    or if it is far from all of these in its own modality.

    At least three known pairs are needed. Nothing grows with n_a x n_b where that exceeds 2^24: the similarities are
    then compressed to 64 dimensions, and the 50 nearest cells of each cell are kept (15 above 250,000 cells).

    Parameters
    ----------
    refine : bool
        Whether cells without a known partner may join, unless held-out pairs are then ranked lower.
    rounds : int
        How often these cells are matched and the analyses repeated, at a temperature that falls from three times the
        last.
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
        n_components = max(a.scores.shape[1], b.scores.shape[1])
        per_cell = memory_per_cell(n_components, compressed=a.n_cells * b.n_cells > ALL_PAIRS)
        refining = 32 * min(REFINING, a.n_cells) * min(REFINING, b.n_cells)
        return per_cell * (a.n_cells + b.n_cells) + max(matching_memory(a.n_cells, b.n_cells), refining)

    def _infer(self, a: View, b: View, known: Correspondence, context: Context) -> Inferred:
        generator = context.generator()
        pairs = require_pairs(known, LEAST_PAIRS, f"correspondence '{self.name}', {a.modality} and {b.modality}")
        seeds = generator.integers(2**31, size=3)
        x, y = (
            _center(smoothed_levels(view.scores, max(COMPONENTS), int(seed)), cells)
            for view, seed, cells in zip((a, b), seeds, pairs[:2], strict=False)
        )
        settings, quantile, unrefined = self._select(x, y, pairs, generator, context)
        cells = _seed_cells(pairs, x, y, REFINING, generator)
        moments = moments_of_pairs(x, y, cells.a, cells.b, cells.weights)
        ensemble = fit_ensemble(moments, rows_of(x, cells.unpaired_a), rows_of(y, cells.unpaired_b), settings)
        if a.n_cells * b.n_cells <= ALL_PAIRS:
            coordinates = ensemble.coordinates(x, 0), ensemble.coordinates(y, 1)
        else:
            coordinates = compressed_coordinates(ensemble, x, y, generator)
        max_mass = in_distribution(x[0], pairs[0], generator), in_distribution(y[0], pairs[1], generator)
        del x, y
        n_components = [analysis.n_components for analysis in settings.analyses]
        diagnostics = {
            "n_known_pairs": len(pairs[0]),
            "n_analyses": len(settings.analyses),
            "n_components": float(np.dot(settings.weights, n_components)),
            "rounds": self.rounds if settings.pseudo_pairs else 0,
            "n_pseudo_pairs": settings.pseudo_pairs,
            "balance": settings.balance,
            "held_out_quantile": quantile,
            "held_out_quantile_unrefined": unrefined,
        }
        return match_by_cosine(
            *coordinates,
            pairs=known.one_to_one().pairs(),
            max_mass=max_mass,
            temperature=self.temperature,
            balance=settings.balance,
            seed=int(seeds[2]),
            diagnostics=diagnostics,
        )

    def _select(
        self, x: Levels, y: Levels, pairs: WeightedPairs, generator: np.random.Generator, context: Context
    ) -> tuple[EnsembleSettings, float, float]:
        def report(done: int, total: int, quantile: float) -> None:
            context.progress("correspondence", done, total, {"quantile": quantile})

        pseudo_pairs = PSEUDO_PAIRS if self.refine else 0.0
        candidate = EnsembleSettings([], np.empty(0), pseudo_pairs, self.rounds, self.temperature)
        cells = _seed_cells(pairs, x, y, SELECTING, generator)
        settings, quantile, unrefined = select_settings((x, y), cells, candidate, generator, report)
        message = "%s: held-out known pairs at a mean quantile of %.3f with %g pseudo-pairs, %.3f without"
        log.info(message, context.stage, quantile, settings.pseudo_pairs, unrefined)
        return settings, quantile, unrefined


def _center(levels: Levels, known: Index) -> Levels:
    """Move the origin from the mean of all cells to that of the known ones if these are another population.

    If cell types have other proportions in the other modality, only the means of the known cells correspond. But the
    means of few cells are uncertain: nothing moves up to `CHANCE` times the squared distance between the means that is
    expected of cells drawn at random, and nearly all of the way far beyond.
    """
    centered = []
    for level in levels:
        n, k = len(level), len(known)
        shift = level[known].mean(axis=0)
        expected = float(level.var(axis=0).sum()) * (1 / k - 1 / n)
        fraction = max(0.0, 1 - (CHANCE * expected / max(float((shift**2).sum()), _TINY)) ** 2)
        centered.append(level - np.float32(fraction) * shift)
    return centered


def _seed_cells(pairs: WeightedPairs, x: Levels, y: Levels, most: int, generator: np.random.Generator) -> SeedCells:
    """Known pairs, and a sample of the cells without a known partner."""
    unpaired = (
        generator.permutation(np.setdiff1d(np.arange(len(levels[0])), known))[:most]
        for levels, known in ((x, pairs[0]), (y, pairs[1]))
    )
    return SeedCells(*pairs, *unpaired)


def in_distribution(scores: Floats, known: Index, generator: np.random.Generator) -> NDArray[np.float32]:
    """(n,) 1 for cells as near to known cells as these are to each other, down to 0 for cells far from all.

    A cell type without known pairs may lack a partner altogether, and the shared space was not learned from it: there,
    its cells can fall beside any others.

    Parameters
    ----------
    scores : (n, d)
        Scores of one modality.
    known
        Cells with a known partner, at least two.
    generator
        Draws a sample of many known cells.
    """
    x = scores[:, :NOVELTY_COMPONENTS]
    reference = x[generator.permutation(known)[:NOVELTY_CELLS]]
    k = min(NOVELTY_NEIGHBORS, len(reference) - 1)
    typical = nearest(reference, reference, k + 1)[1][:, 1:].mean(axis=1)
    limit = MARGIN * float(np.quantile(typical, TYPICAL))
    distance = nearest(x, reference, k)[1].mean(axis=1)
    excess = np.maximum(distance / max(limit, np.finfo(np.float32).tiny) - 1, 0)
    return np.asarray(np.exp(-((excess / WIDTH) ** 2) / 2), np.float32)
