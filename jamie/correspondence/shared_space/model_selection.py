"""Settings of an ensemble, chosen by how well it finds known pairs that were held out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jamie.correspondence.arrays import Floats, Index
from jamie.correspondence.couplings.matching import UNBALANCED, dense_kernel, scaled, sinkhorn_factors
from jamie.correspondence.shared_space.canonical import CcaSettings, Levels, Moments, canonical_maps
from jamie.correspondence.shared_space.seed_ensemble import (
    EnsembleSettings,
    all_analyses,
    fit_ensemble,
    moments_of_pairs,
    rows_of,
)

FOLDS = 5
HELD_OUT = 200  # pairs of each fold that are ranked
SHARPNESS = 20.0  # weight of an analysis: its quantile to minus this power
FEW = 150  # number of pairs at which that power is halved
SIGNIFICANCE = 0.05
LEAST_WEIGHT = 0.1  # relative to an equal weight; analyses below are left out


@dataclass(frozen=True)
class SeedCells:
    """Known pairs, and a sample of cells without a known partner.

    Parameters
    ----------
    a, b
        (k,) cells of the pairs.
    weights : (k,)
        Confidence of each pair.
    unpaired_a, unpaired_b
        Cells without a known partner.
    """

    a: Index
    b: Index
    weights: Floats
    unpaired_a: Index
    unpaired_b: Index


@dataclass(frozen=True)
class Fold:
    """Moments of the training pairs, and cells of either modality, of which the first `n_held` are held-out pairs."""

    train: Sequence[Moments]
    x: Levels
    y: Levels
    n_held: int

    def quantiles_of_analyses(self, analyses: Sequence[CcaSettings]) -> NDArray[np.float64]:
        """(n_analyses, n_held) quantiles by each analysis alone."""
        k, quantiles = self.n_held, []
        for analysis, (to_x, to_y) in zip(analyses, canonical_maps(self.train, analyses), strict=True):
            a, b = analysis.variates(self.x, to_x), analysis.variates(self.y, to_y)
            quantiles.append(held_out_quantiles(a[:k] @ b.T, b[:k] @ a.T))
        return np.stack(quantiles)

    def quantiles(self, settings: EnsembleSettings) -> NDArray[np.float64]:
        """(n_held,) quantiles by the matches of an ensemble."""
        ensemble = fit_ensemble(self.train, self.x, self.y, settings)
        kernel = dense_kernel(ensemble.coordinates(self.x, 0), ensemble.coordinates(self.y, 1), settings.temperature)
        plan = scaled(kernel, *sinkhorn_factors(kernel, settings.balance))
        return held_out_quantiles(plan[: self.n_held], plan[:, : self.n_held].T)


def select_settings(
    levels: tuple[Levels, Levels],
    cells: SeedCells,
    settings: EnsembleSettings,
    generator: np.random.Generator,
    report: Callable[[int, int, float], None],
) -> tuple[EnsembleSettings, float, float]:
    """Weight the analyses, and decide on pseudo-pairs and balance, by cross-validation.

    The weight of an analysis is its mean quantile to the power of minus `SHARPNESS`, closer to an equal weight if there
    are few pairs.

    Parameters
    ----------
    levels
        Scores of all cells in either modality, smoothed more and more.
    cells
        Known pairs, and unpaired cells among which held-out cells are ranked.
    settings
        Rounds, temperature, and the mass of pseudo-pairs to use unless held-out pairs are then clearly ranked lower.
    generator
        Draws the folds.
    report
        Called with steps done, steps in all and the best mean quantile so far.

    Returns
    -------
    tuple
        Selected settings, and mean quantiles of held-out partners: with these, and without pseudo-pairs.
    """
    analyses = all_analyses(max(level[0].shape[1] for level in levels))
    folds = list(_folds(levels, cells, generator))
    alone = np.hstack([fold.quantiles_of_analyses(analyses) for fold in folds])
    weights = _weights(alone)
    report(1, 3, float(alone.mean(axis=1).min()))
    kept = np.flatnonzero(weights >= LEAST_WEIGHT / len(analyses))
    settings = replace(
        settings, analyses=[analyses[i] for i in kept], weights=weights[kept] / weights[kept].sum(), balance=1.0
    )

    def quantiles(candidate: EnsembleSettings) -> Floats:
        return np.hstack([fold.quantiles(candidate) for fold in folds])

    unrefined = replace(settings, pseudo_pairs=0.0)
    start, unbalanced = quantiles(unrefined), quantiles(replace(unrefined, balance=UNBALANCED))
    if _clearly_positive(start - unbalanced):
        start, settings = unbalanced, replace(settings, balance=UNBALANCED)
    report(2, 3, float(start.mean()))
    refined = quantiles(settings) if settings.pseudo_pairs else start
    report(3, 3, float(refined.mean()))
    # if proportions of types differ, matches are less certain: pseudo-pairs are then used only if they help
    if _clearly_positive(refined - start) or (settings.balance < 1 and refined.mean() > start.mean()):
        settings, refined = replace(settings, pseudo_pairs=0.0), start
    return settings, float(refined.mean()), float(start.mean())


def held_out_quantiles(forward: Floats, backward: Floats) -> NDArray[np.float64]:
    """(k,) fraction of cells that are more similar than the partner, ties one half, mean over both directions.

    Parameters
    ----------
    forward, backward
        (k, m) and (k, n) similarities to all cells of the other modality; the first k are the partners.
    """
    quantiles = []
    for similarity in (forward, backward):
        partner = np.diagonal(similarity)[:, None]
        above, tied = (similarity > partner).sum(axis=1), (similarity == partner).sum(axis=1) - 1
        quantiles.append((above + 0.5 * tied) / max(similarity.shape[1] - 1, 1))
    return np.mean(quantiles, axis=0)


def _folds(levels: tuple[Levels, Levels], cells: SeedCells, generator: np.random.Generator) -> Iterator[Fold]:
    """Hold out every pair once; of many pairs, a sample."""
    n_folds = min(FOLDS, len(cells.a))
    number = generator.permutation(len(cells.a)) % n_folds
    x, y = levels
    for fold in range(n_folds):
        train, held = np.flatnonzero(number != fold), np.flatnonzero(number == fold)
        held = generator.permutation(held)[:HELD_OUT]
        moments = moments_of_pairs(x, y, cells.a[train], cells.b[train], cells.weights[train])
        a, b = np.r_[cells.a[held], cells.unpaired_a], np.r_[cells.b[held], cells.unpaired_b]
        yield Fold(moments, rows_of(x, a), rows_of(y, b), len(held))


def _clearly_positive(differences: Floats) -> bool:
    """Whether a mean is significantly above 0 (Student's t)."""
    from scipy.special import stdtrit

    k = len(differences)
    if k < 2:
        return False
    return bool(differences.mean() > stdtrit(k - 1, 1 - SIGNIFICANCE) * differences.std(ddof=1) / np.sqrt(k))


def _weights(quantiles: Floats) -> NDArray[np.float64]:
    """(n_analyses,) from the quantiles (n_analyses, k) of k pairs."""
    k = quantiles.shape[1]
    means = np.maximum(quantiles.mean(axis=1), 1e-3)
    weights = (means / means.min()) ** (-SHARPNESS * k / (k + FEW))
    return np.asarray(weights / weights.sum())
