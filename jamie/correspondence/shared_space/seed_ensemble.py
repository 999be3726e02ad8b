"""An ensemble of canonical analyses of known pairs, refined by cells of unknown partner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jamie.correspondence.couplings.matching import dense_kernel, scale, scaled
from jamie.correspondence.shared_space.canonical import Levels, Maps, Member, Moments, canonical_maps, directions

COMPONENTS = (8, 20, 50)
SHRINKAGES = (0.03, 0.1, 0.3, 0.6)
POWERS = (1.0, 2.0)
LEVELS = 3
WARM = 3.0  # temperature of the first match, when its cosines are the least certain, in that of the last
DIMENSIONS = 64  # of coordinates that stand for those of all members
SAMPLE = 2000  # cells of each modality by which these are found
ROWS = 8192

Floats = NDArray[np.floating]
Index = NDArray[np.int64]


@dataclass(frozen=True)
class Refinement:
    """How cells of unknown partner join.

    Parameters
    ----------
    rounds
        Number of times that they are matched and the analyses repeated.
    temperature, rigour
        Of the match.
    """

    rounds: int
    temperature: float
    rigour: float

    def temperatures(self) -> NDArray[np.float64]:
        """Return (rounds,) that of each round, from `WARM` times the last, which is the match's."""
        return np.geomspace(WARM, 1, self.rounds) * self.temperature


@dataclass(frozen=True)
class Ensemble:
    """Weighed canonical analyses.

    Parameters
    ----------
    members, weights
        The analyses and how much each counts.
    maps
        For each, from leading scores to canonical variates in either modality.
    """

    members: Sequence[Member]
    weights: Floats
    maps: Sequence[Maps]

    def coordinates(self, levels: Levels, side: int) -> NDArray[np.float32]:
        """(n, r) coordinates of cells of one modality (0 or 1): inner products are mean cosines of the members."""
        return directions(levels, self.members, [one[side] for one in self.maps], self.weights)


def all_members(n_components: int) -> list[Member]:
    """Every combination of settings, for modalities of at most so many scores."""
    sizes = sorted({min(q, n_components) for q in COMPONENTS})
    return [Member(*settings) for settings in product(sizes, SHRINKAGES, POWERS, range(LEVELS))]


def moments_of_pairs(x: Levels, y: Levels, a: Index, b: Index, weights: Floats) -> list[Moments]:
    """Moments of cells `a` (k,) and `b` (k,) that are matched with weights (k,), at each level."""
    each = sparse.diags_array(weights)
    return [Moments.of(here[a], there[b], each) for here, there in zip(x, y, strict=True)]


def fit_ensemble(
    known: Sequence[Moments],
    free: tuple[Levels, Levels],
    weighed: tuple[Sequence[Member], Floats],
    mass: float,
    refinement: Refinement,
) -> Ensemble:
    """Fit the members to known pairs, and again to these and what the last fit matches.

    What a cell matches is an entropic transport plan's row, which counts by its certainty (1 - entropy).

    Parameters
    ----------
    known
        Moments of the known pairs, at each level.
    free
        Cells of unknown partner of either modality, some thousand at most.
    weighed
        Members and their weights.
    mass
        Of all that is matched, in known pairs; at 0 no cell joins.
    refinement
        Rounds and temperature.
    """
    members, weights = weighed
    found = Ensemble(members, weights, canonical_maps(known, members))
    here, there = free
    if mass == 0 or not len(here[0]) or not len(there[0]):
        return found
    for temperature in refinement.temperatures():
        kernel = dense_kernel(found.coordinates(here, 0), found.coordinates(there, 1), temperature)
        plan = _by_certainty(scaled(kernel, *scale(kernel, refinement.rigour)))
        moments = [m.plus(Moments.of(h, t, plan), mass) for m, h, t in zip(known, here, there, strict=True)]
        found = Ensemble(members, weights, canonical_maps(moments, members))
    return found


def compressed(
    ensemble: Ensemble, x: Levels, y: Levels, generator: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Coordinates (n_a, r) and (n_b, r), r at most 64, whose inner products are close to the ensemble's.

    The similarities S of a sample of cells of either modality have the leading singular vectors P and Q and values s;
    cells get the coordinates ``S_aQ s^(-1/2)`` and ``S_b^T P s^(-1/2)``, S_a being their similarities to the sample.
    """
    from sklearn.utils.extmath import randomized_svd

    sample_x, sample_y = (_rows_of(levels, _sampled(len(levels[0]), generator)) for levels in (x, y))
    a, b = ensemble.coordinates(sample_x, 0), ensemble.coordinates(sample_y, 1)
    rank = min(DIMENSIONS, *a.shape, *b.shape)
    P, s, Qt = randomized_svd(a @ b.T, rank, random_state=int(generator.integers(2**31)))
    kept = s > 1e-4 * s[0]
    to_x, to_y = b.T @ (Qt[kept].T / np.sqrt(s[kept])), a.T @ (P[:, kept] / np.sqrt(s[kept]))
    return _in_blocks(ensemble, x, 0, to_x), _in_blocks(ensemble, y, 1, to_y)


def held_out_quantiles(forth: Floats, back: Floats) -> NDArray[np.float64]:
    """(k,) fraction of cells that are more similar than the partner, mean over both directions.

    Parameters
    ----------
    forth, back
        (k, m) and (k, n) similarities to all cells of the other modality, of which the first k are the partners.
    """
    partner = np.arange(len(forth))
    return (_above(forth, forth[partner, partner]) + _above(back, back[partner, partner])) / 2


def _above(similarity: Floats, partner: Floats) -> NDArray[np.float64]:
    better, tied = similarity > partner[:, None], similarity == partner[:, None]
    n_others = max(similarity.shape[1] - 1, 1)
    return np.asarray((better.sum(axis=1) + 0.5 * (tied.sum(axis=1) - 1)) / n_others)


def _by_certainty(plan: NDArray[np.float32]) -> NDArray[np.float32]:
    share = plan / plan.sum(axis=1, keepdims=True)
    entropy = -(share * np.log(share)).sum(axis=1) / np.log(max(plan.shape[1], 2))
    return np.asarray(plan * (1 - entropy)[:, None])


def _sampled(n: int, generator: np.random.Generator) -> Index:
    return generator.permutation(n)[:SAMPLE]


def _rows_of(levels: Levels, cells: Index) -> Levels:
    return [level[cells] for level in levels]


def _in_blocks(ensemble: Ensemble, levels: Levels, side: int, to: Floats) -> NDArray[np.float32]:
    n = len(levels[0])
    found = np.empty((n, to.shape[1]), np.float32)
    for start in range(0, n, ROWS):
        rows = slice(start, start + ROWS)
        found[rows] = ensemble.coordinates([level[rows] for level in levels], side) @ to
    return found
