"""How well an inferer recovers known pairs that were hidden from it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence
from jamie.core.data import View
from jamie.core.errors import DataError
from jamie.core.interfaces import CorrespondenceInferer
from jamie.correspondence.arrays import Index
from jamie.correspondence.quality.partner_ranks import PartnerRanks, chance_of_top, partner_ranks

log = logging.getLogger(__name__)

MOST_CELLS = 20_000  # of a modality; of more, a random sample takes part in the check
FEWEST = 5  # hidden pairs; fewer are no evidence
ENOUGH = 30  # hidden pairs; if a part of the known pairs has fewer, further parts are hidden in turn


@dataclass(frozen=True)
class HiddenPairCheck:
    """How well an inferer recovers known pairs that were hidden from it, and what chance would give.

    Parameters
    ----------
    checked_pairs
        Number of hidden pairs.
    checked_quantile
        Fraction of the other cells that match better than the true partner, ties one half, mean over these pairs and
        both directions: 0 is best, 0.5 chance.
    checked_quantile_error
        Standard error of the quantile.
    checked_top1, checked_top1_chance
        How often the best match is the true partner.
    better_than_chance
        Whether the quantile is better than chance by three standard errors.
    """

    checked_pairs: int
    checked_quantile: float
    checked_quantile_error: float
    checked_top1: float
    checked_top1_chance: float
    better_than_chance: bool

    @classmethod
    def of(cls, ranks: PartnerRanks, shape: tuple[int, int]) -> HiddenPairCheck:
        """Summarize the ranks of hidden pairs among n_a and n_b candidates."""
        return cls(
            checked_pairs=len(ranks.quantile),
            checked_quantile=ranks.mean_quantile,
            checked_quantile_error=ranks.quantile_error,
            checked_top1=float(ranks.top_1.mean()),
            checked_top1_chance=chance_of_top(1, shape),
            better_than_chance=ranks.beat_chance,
        )


def check_hidden_pairs(
    inferer: CorrespondenceInferer,
    a: View,
    b: View,
    known: Correspondence,
    inferred: Correspondence,
    fraction: float,
    context: Context,
) -> HiddenPairCheck | None:
    """Hide known pairs from an inferer, and see how well it recovers them.

    An inferer that uses known pairs infers again with a part of them hidden, and with further parts until 30 pairs or
    all have been hidden. Hidden partners are ranked among the cells without a known partner. Of more than 20,000 cells
    a random sample takes part: with fewer known pairs the result is hardly better than on all cells. An inferer that
    uses no pairs is checked by all of them, without inferring again.

    Parameters
    ----------
    inferer
        The inferer.
    a, b, known
        Its inputs.
    inferred
        Its result.
    fraction
        Fraction of the known pairs that is hidden at a time; 0 for no check.
    context
        Randomness, device, progress and memory limit.

    Returns
    -------
    HiddenPairCheck, or None if there are fewer than five certain known pairs, or too few to hide some.
    """
    rows, columns = known.one_to_one().pairs()
    if fraction == 0 or len(rows) < FEWEST:
        return None
    if not inferer.uses_known:
        return HiddenPairCheck.of(partner_ranks(inferred.matrix, rows, columns), inferred.shape)
    a, b, known = _sample(a, b, known, context)
    rows, columns = known.one_to_one().pairs()
    all_rows, all_columns = known.pairs()
    ranks = []
    for number, hidden in enumerate(_parts(len(rows), fraction, context)):
        visible = known.keep(~(np.isin(all_rows, rows[hidden]) | np.isin(all_columns, columns[hidden])))
        try:
            guess = inferer.infer(a, b, visible, context.for_stage(f"{context.stage}/check {number}")).correspondence
        except DataError as error:
            log.info("%s: the %d known pairs are too few to hide some (%s)", context.stage, len(rows), error.problem)
            return None
        free_a, free_b = (np.flatnonzero(side.best_partner() < 0) for side in (visible, visible.T))
        positions = np.searchsorted(free_a, rows[hidden]), np.searchsorted(free_b, columns[hidden])
        ranks.append(partner_ranks(guess.subset(free_a, free_b).matrix, *positions))
        shape = (len(free_a), len(free_b))
    if sum(len(part.quantile) for part in ranks) < FEWEST:
        return None
    return HiddenPairCheck.of(PartnerRanks.concatenate(ranks), shape)


def _sample(a: View, b: View, known: Correspondence, context: Context) -> tuple[View, View, Correspondence]:
    """Draw about `MOST_CELLS` of the larger modality, and the same fraction of the other; pairs stay together."""
    fraction = MOST_CELLS / max(a.n_cells, b.n_cells)
    if fraction >= 1:
        return a, b, known
    generator = context.for_stage(f"{context.stage}/check sample").generator()
    rows, columns = known.one_to_one().pairs()
    in_a, in_b, in_pairs = (generator.random(n) < fraction for n in (a.n_cells, b.n_cells, len(rows)))
    in_a[rows] = in_b[columns] = in_pairs
    cells_a, cells_b = np.flatnonzero(in_a), np.flatnonzero(in_b)
    log.info("%s: the check takes a sample of %d and %d cells", context.stage, len(cells_a), len(cells_b))
    return a.subset(cells_a), b.subset(cells_b), known.subset(cells_a, cells_b)


def _parts(n: int, fraction: float, context: Context) -> Iterator[Index]:
    """Yield disjoint parts of n pairs in random order, until they hold enough or all."""
    order = context.for_stage(f"{context.stage}/check").generator().permutation(n)
    size = max(round(fraction * n), 1)
    for start in range(0, min(n, max(ENOUGH, size)), size):
        yield order[start : start + size]
