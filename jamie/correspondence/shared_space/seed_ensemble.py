"""An ensemble of canonical correlation analyses of known pairs, refined by cells without a known partner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jamie.correspondence.arrays import Floats, Index
from jamie.correspondence.couplings.matching import dense_kernel, scaled, sinkhorn_factors
from jamie.correspondence.shared_space.canonical import CcaSettings, Levels, Maps, Moments, canonical_maps

COMPONENTS = (8, 20, 50)
SHRINKAGES = (0.03, 0.1, 0.3, 0.6)
POWERS = (1.0, 2.0)
N_LEVELS = 3
WARM = 3.0  # temperature of the first round, when cosines are least certain, relative to the last
DIMENSIONS = 64  # of the compressed coordinates
SAMPLE = 2000  # cells of each modality from which the compression is learned
ROWS = 8192


@dataclass(frozen=True)
class EnsembleSettings:
    """Settings of an ensemble.

    Parameters
    ----------
    analyses, weights
        The analyses and their weights.
    pseudo_pairs
        Mass of the matches of cells without a known partner, in known pairs; at 0 they are not used.
    rounds
        How often these cells are matched and the analyses repeated.
    temperature, balance
        As in `match_by_cosine`.
    """

    analyses: Sequence[CcaSettings]
    weights: Floats
    pseudo_pairs: float
    rounds: int
    temperature: float
    balance: float = 1.0


@dataclass(frozen=True)
class SeedEnsemble:
    """Weighted canonical correlation analyses.

    Parameters
    ----------
    settings
        The analyses and their weights.
    maps
        For each analysis, from leading scores to canonical variates in either modality.
    """

    settings: EnsembleSettings
    maps: Sequence[Maps]

    def coordinates(self, levels: Levels, side: int) -> NDArray[np.float32]:
        """(n, r) coordinates of cells of one modality (0 or 1); inner products are weighted mean cosines."""
        members = zip(self.settings.analyses, self.settings.weights, self.maps, strict=True)
        parts = [np.sqrt(weight) * analysis.variates(levels, maps[side]) for analysis, weight, maps in members]
        return np.hstack(parts).astype(np.float32)


def all_analyses(n_components: int) -> list[CcaSettings]:
    """Every combination of settings, for modalities of at most so many scores."""
    sizes = sorted({min(q, n_components) for q in COMPONENTS})
    return [CcaSettings(*settings) for settings in product(sizes, SHRINKAGES, POWERS, range(N_LEVELS))]


def memory_per_cell(n_components: int, *, compressed: bool) -> int:
    """Bytes for the smoothed scores of a cell and its coordinates, of modalities of so many scores."""
    coordinates = 0 if compressed else 2 * 4 * sum(analysis.n_components for analysis in all_analyses(n_components))
    return 8 * (N_LEVELS * max(COMPONENTS) + DIMENSIONS) + coordinates


def rows_of(levels: Levels, cells: Index | slice) -> Levels:
    """Scores of these cells, at each level."""
    return [level[cells] for level in levels]


def moments_of_pairs(x: Levels, y: Levels, a: Index, b: Index, weights: Floats) -> list[Moments]:
    """Moments of cells `a` (k,) and `b` (k,) that are matched with weights (k,), at each level."""
    diagonal = sparse.diags_array(weights)
    return [Moments.of(p[a], q[b], diagonal) for p, q in zip(x, y, strict=True)]


def fit_ensemble(known: Sequence[Moments], x: Levels, y: Levels, settings: EnsembleSettings) -> SeedEnsemble:
    """Fit the analyses to known pairs, then to these and to the matches of the last fit.

    Matches are the rows of an entropic transport plan, each weighted by its certainty (1 - entropy).

    Parameters
    ----------
    known
        Moments of the known pairs, at each level.
    x, y
        Cells without a known partner of either modality, a few thousand at most.
    settings
        Settings of the ensemble.
    """
    ensemble = SeedEnsemble(settings, canonical_maps(known, settings.analyses))
    if settings.pseudo_pairs == 0 or not len(x[0]) or not len(y[0]):
        return ensemble
    for temperature in np.geomspace(WARM, 1, settings.rounds) * settings.temperature:
        kernel = dense_kernel(ensemble.coordinates(x, 0), ensemble.coordinates(y, 1), temperature)
        plan = _weighted_by_certainty(scaled(kernel, *sinkhorn_factors(kernel, settings.balance)))
        matches = (Moments.of(p, q, plan) for p, q in zip(x, y, strict=True))
        moments = [pairs.plus(more, settings.pseudo_pairs) for pairs, more in zip(known, matches, strict=True)]
        ensemble = SeedEnsemble(settings, canonical_maps(moments, settings.analyses))
    return ensemble


def compressed_coordinates(
    ensemble: SeedEnsemble, x: Levels, y: Levels, generator: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Coordinates (n_a, r) and (n_b, r), r at most 64, whose inner products approximate those of the ensemble.

    The similarities S of a sample of cells of either modality have the leading singular vectors P and Q and values s;
    cells get the coordinates ``S_a Q s^(-1/2)`` and ``S_b^T P s^(-1/2)``; S_a are their similarities to the sample.
    """
    from sklearn.utils.extmath import randomized_svd

    a, b = (
        ensemble.coordinates(rows_of(levels, generator.permutation(len(levels[0]))[:SAMPLE]), side)
        for side, levels in enumerate((x, y))
    )
    rank = min(DIMENSIONS, *a.shape, *b.shape)
    P, s, Qt = randomized_svd(a @ b.T, rank, random_state=int(generator.integers(2**31)))
    kept = s > 1e-4 * s[0]
    to_x, to_y = b.T @ (Qt[kept].T / np.sqrt(s[kept])), a.T @ (P[:, kept] / np.sqrt(s[kept]))
    return _project(ensemble, x, 0, to_x), _project(ensemble, y, 1, to_y)


def _project(ensemble: SeedEnsemble, levels: Levels, side: int, to: Floats) -> NDArray[np.float32]:
    blocks = [slice(start, start + ROWS) for start in range(0, len(levels[0]), ROWS)]
    return np.concatenate([ensemble.coordinates(rows_of(levels, rows), side) @ to for rows in blocks], dtype=np.float32)


def _weighted_by_certainty(plan: NDArray[np.float32]) -> NDArray[np.float32]:
    share = plan / plan.sum(axis=1, keepdims=True)
    entropy = -(share * np.log(share)).sum(axis=1) / np.log(max(plan.shape[1], 2))
    return np.asarray(plan * (1 - entropy)[:, None])
