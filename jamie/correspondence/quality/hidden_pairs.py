"""How far an inferred correspondence can be trusted, by known pairs that were hidden from its inferer."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence
from jamie.core.data import View
from jamie.core.errors import DataError
from jamie.core.interfaces import CorrespondenceInferer
from jamie.correspondence.quality.partner_ranks import PartnerRanks, beats_chance, chance_of_top, partner_ranks

log = logging.getLogger(__name__)

MOST_CELLS = 20_000  # of a modality; of more, a random sample takes part in the check
FEWEST = 5  # hidden pairs; fewer are no evidence, neither for an inferer nor against it
ENOUGH = 30  # hidden pairs; where one part of the known pairs has fewer, further parts are hidden in turn


@dataclass(frozen=True)
class Trust:
    """How well an inferer finds pairs that it was not told, beside what chance would give.

    Parameters
    ----------
    checked_pairs
        Known pairs that were hidden from it.
    checked_quantile
        Fraction of the other cells that match better than the true partner, ties one half, mean over these pairs and
        both directions: 0 is best, 0.5 chance.
    checked_quantile_error
        Its standard error.
    checked_top1, checked_top1_chance
        How often the best match is the true partner.
    better_than_chance
        Whether the quantile beats chance by three standard errors.
    """

    checked_pairs: int
    checked_quantile: float
    checked_quantile_error: float
    checked_top1: float
    checked_top1_chance: float
    better_than_chance: bool

    @classmethod
    def of(cls, ranks: PartnerRanks, shape: tuple[int, int]) -> Trust:
        """Summarise the ranks of hidden pairs among n_a and n_b candidates."""
        return cls(
            len(ranks.quantile),
            ranks.mean_quantile,
            ranks.quantile_error,
            float(ranks.top_1.mean()),
            chance_of_top(1, shape),
            beats_chance(ranks),
        )

    def as_diagnostics(self) -> dict[str, float | int | bool | str]:
        """Return the fields by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def check(
    inferer: CorrespondenceInferer,
    a: View,
    b: View,
    known: Correspondence,
    found: Correspondence,
    fraction: float,
    context: Context,
) -> Trust | None:
    """Let an inferer find known pairs that it is not told.

    One that uses known pairs infers again with a part of them hidden, and with further parts until 30 pairs or all
    have been hidden; it is judged among the cells without a partner that it was told. Of more than 20,000 cells a
    random sample takes part: with fewer pairs to learn from it is hardly better there than on all. One that uses no
    pairs is judged by all of them as they are.

    Parameters
    ----------
    inferer
        To be checked.
    a, b, known
        What it infers from.
    found
        What it found.
    fraction
        Of the known pairs, hidden at a time; 0 for no check.
    context
        Randomness, device, progress and memory limit.

    Returns
    -------
    Trust, or None where there are fewer than five certain known pairs, or too few to hide some.
    """
    rows, columns = known.one_to_one().pairs()
    shape: tuple[int, int] = found.shape
    if fraction == 0 or len(rows) < FEWEST:
        return None
    if not inferer.uses_known:
        return Trust.of(partner_ranks(found.matrix, rows, columns), shape)
    a, b, known = _sampled(a, b, known, context)
    rows, columns = known.one_to_one().pairs()
    ranks = []
    for number, hidden in enumerate(_parts(len(rows), fraction, context)):
        told = known.keep(_kept(known, rows[hidden], columns[hidden]))
        try:
            guess = inferer.infer(a, b, told, context.for_stage(f"{context.stage}/check {number}")).correspondence
        except DataError as error:
            log.info("%s: the %d known pairs are too few to hide some (%s)", context.stage, len(rows), error.problem)
            return None
        free_a, free_b = (np.flatnonzero(side.best_partner() < 0) for side in (told, told.T))
        matrix, shape = guess.subset(free_a, free_b).matrix, (len(free_a), len(free_b))
        at = np.searchsorted(free_a, rows[hidden]), np.searchsorted(free_b, columns[hidden])
        ranks.append(partner_ranks(matrix, *at))
    joined = PartnerRanks.joined(ranks) if ranks else None
    return Trust.of(joined, shape) if joined is not None and len(joined.quantile) >= FEWEST else None


def _sampled(a: View, b: View, known: Correspondence, context: Context) -> tuple[View, View, Correspondence]:
    """Draw at most about `MOST_CELLS` of the larger modality, and as large a part of the other; pairs stay together."""
    share = MOST_CELLS / max(a.n_cells, b.n_cells)
    if share >= 1:
        return a, b, known
    generator = context.for_stage(f"{context.stage}/check sample").generator()
    rows, columns = known.one_to_one().pairs()
    drawn_a, drawn_b, drawn_pairs = (generator.random(n) < share for n in (a.n_cells, b.n_cells, len(rows)))
    drawn_a[rows] = drawn_b[columns] = drawn_pairs
    index_a, index_b = np.flatnonzero(drawn_a), np.flatnonzero(drawn_b)
    log.info("%s: the check takes a sample of %d and %d cells", context.stage, len(index_a), len(index_b))
    return a.subset(index_a), b.subset(index_b), known.subset(index_a, index_b)


def _parts(n: int, fraction: float, context: Context) -> Iterator[NDArray[np.int64]]:
    """Yield disjoint parts of n pairs in random order, until they hold enough or all."""
    order = context.for_stage(f"{context.stage}/check").generator().permutation(n)
    size = max(round(fraction * n), 1)
    for start in range(0, min(n, max(ENOUGH, size)), size):
        yield order[start : start + size]


def _kept(known: Correspondence, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Entries of `known` but those of hidden cells."""
    of_row, of_column = known.pairs()
    return ~(np.isin(of_row, rows) | np.isin(of_column, columns))
