"""Settings of an ensemble, chosen by how well it finds known pairs that were held out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jamie.correspondence.couplings.matching import DAMPED, dense_kernel, scale, scaled, unit_rows
from jamie.correspondence.shared_space.canonical import Levels, Maps, Member, Moments, canonical_maps
from jamie.correspondence.shared_space.seed_ensemble import (
    Refinement,
    all_members,
    fit_ensemble,
    held_out_quantiles,
    moments_of_pairs,
)

FOLDS = 5
HELD_OUT = 200  # pairs of each fold that are looked for
SHARPNESS = 20.0  # weight of a member: its quantile to minus this power
FEW = 150  # number of pairs at which that power is halved
UNLIKELY = 0.05  # chance of a harm as large where there is none
LEAST_SHARE = 0.1  # of an equal weight; members below are left out

Floats = NDArray[np.floating]
Index = NDArray[np.int64]


@dataclass(frozen=True)
class Known:
    """Known pairs, and some cells of unknown partner.

    Parameters
    ----------
    a, b
        (k,) the cells of the pairs.
    weights : (k,)
        Confidence of each pair.
    others_a, others_b
        Cells without a known partner.
    """

    a: Index
    b: Index
    weights: Floats
    others_a: Index
    others_b: Index


@dataclass(frozen=True)
class Choice:
    """What held-out pairs decided.

    Parameters
    ----------
    members, weights
        The analyses that are kept, and how much each counts.
    pseudo_pairs
        Mass of the cells of unknown partner; 0 where they make held-out pairs harder to find.
    rigour
        Of the match: 1, unless that makes held-out pairs harder to find.
    start_quantile, quantile
        Mean quantile of held-out partners with no such mass, and with this.
    """

    members: Sequence[Member]
    weights: Floats
    pseudo_pairs: float
    rigour: float
    start_quantile: float
    quantile: float


@dataclass(frozen=True)
class Fold:
    """Moments of the pairs to fit, and the cells among which the others, which come first, are looked for."""

    train: Sequence[Moments]
    here: Levels
    there: Levels
    n_held: int

    def quantiles_of_members(self, members: Sequence[Member]) -> NDArray[np.float64]:
        """(n_members, n_held) quantiles by each member alone."""
        k, found = self.n_held, []
        for one, maps in zip(members, canonical_maps(self.train, members), strict=True):
            a, b = self._directions(one, maps)
            found.append(held_out_quantiles(a[:k] @ b.T, b[:k] @ a.T))
        return np.stack(found)

    def quantiles(
        self, weighed: tuple[Sequence[Member], Floats], mass: float, refinement: Refinement
    ) -> NDArray[np.float64]:
        """(n_held,) quantiles by what the ensemble, refined with this mass, matches."""
        ensemble = fit_ensemble(self.train, (self.here, self.there), weighed, mass, refinement)
        a, b = ensemble.coordinates(self.here, 0), ensemble.coordinates(self.there, 1)
        kernel = dense_kernel(a, b, refinement.temperature)
        plan = scaled(kernel, *scale(kernel, refinement.rigour))
        return held_out_quantiles(plan[: self.n_held], plan[:, : self.n_held].T)

    def _directions(self, member: Member, maps: Maps) -> tuple[Floats, Floats]:
        one, other = (
            unit_rows(levels[member.level][:, : len(to)] @ to.astype(np.float32))
            for levels, to in zip((self.here, self.there), maps, strict=True)
        )
        return one, other


def choose(
    levels: tuple[Levels, Levels],
    known: Known,
    mass: float,
    refinement: Refinement,
    generator: np.random.Generator,
    report: Callable[[int, int, float], None],
) -> Choice:
    """Weigh the members, and decide how much cells of unknown partner count, by cross-validation.

    A member's weight is its mean quantile to the power of minus `SHARPNESS`, and nearer to an equal share where few
    pairs tell.

    Parameters
    ----------
    levels
        Scores of all cells in either modality, smoothed more and more.
    known
        Known pairs, and cells among which those that are held out are looked for.
    mass
        Of the cells of unknown partner, in known pairs: taken unless held-out pairs are clearly harder to find with it.
    refinement
        Rounds and temperature.
    generator
        Makes the folds.
    report
        Told steps done, steps in all and the best mean quantile so far.
    """
    members = all_members(max(level[0].shape[1] for level in levels))
    folds = list(_folds(levels, known, generator))
    alone = np.hstack([fold.quantiles_of_members(members) for fold in folds])
    weights = _weights(alone)
    report(1, 3, float(alone.mean(axis=1).min()))
    kept = np.flatnonzero(weights >= LEAST_SHARE / len(members))
    members, weights = [members[i] for i in kept], weights[kept] / weights[kept].sum()

    def of_held_out(mass: float, rigour: float) -> Floats:
        one = replace(refinement, rigour=rigour)
        return np.hstack([fold.quantiles((members, weights), mass, one) for fold in folds])

    balanced, damped = of_held_out(0.0, 1.0), of_held_out(0.0, DAMPED)
    start, rigour = (damped, DAMPED) if _clearly_above_zero(balanced - damped) else (balanced, 1.0)
    report(2, 3, float(start.mean()))
    refined = of_held_out(mass, rigour) if mass else start
    report(3, 3, float(refined.mean()))
    # where proportions differ, what cells match is less certain: then they join only if that helps
    if _clearly_above_zero(refined - start) or (rigour < 1 and refined.mean() > start.mean()):
        mass, refined = 0.0, start
    return Choice(members, weights, mass, rigour, float(start.mean()), float(refined.mean()))


def _folds(levels: tuple[Levels, Levels], known: Known, generator: np.random.Generator) -> Iterator[Fold]:
    """Hold out every pair once; of very many, some."""
    n = len(known.a)
    n_folds = min(FOLDS, n)
    number = generator.permutation(n) % n_folds
    x, y = levels
    for fold in range(n_folds):
        fitted, held = np.flatnonzero(number != fold), np.flatnonzero(number == fold)
        held = generator.permutation(held)[:HELD_OUT]
        here, there = np.r_[known.a[held], known.others_a], np.r_[known.b[held], known.others_b]
        yield Fold(
            moments_of_pairs(x, y, known.a[fitted], known.b[fitted], known.weights[fitted]),
            [level[here] for level in x],
            [level[there] for level in y],
            len(held),
        )


def _clearly_above_zero(differences: Floats) -> bool:
    """Whether a mean is above 0 beyond what chance would give one time in `UNLIKELY` (Student's t)."""
    from scipy.special import stdtrit

    k = len(differences)
    if k < 2:
        return False
    return bool(differences.mean() > stdtrit(k - 1, 1 - UNLIKELY) * differences.std(ddof=1) / np.sqrt(k))


def _weights(quantiles: Floats) -> NDArray[np.float64]:
    """(n_members,) from the quantiles (n_members, k) of k pairs."""
    k = quantiles.shape[1]
    means = np.maximum(quantiles.mean(axis=1), 1e-3)
    weights = (means / means.min()) ** (-SHARPNESS * k / (k + FEW))
    return np.asarray(weights / weights.sum())
