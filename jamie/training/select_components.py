"""The number of principal components that the networks read, by how well they find the partners of left-out cells."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jamie.core.context import Context
from jamie.core.data import Cells
from jamie.core.large_arrays import empty_array
from jamie.core.matrix import row_chunks
from jamie.correspondence.couplings.matching import unit_rows
from jamie.preprocess.pca import PCA
from jamie.preprocess.prepare import Prepared
from jamie.regression.canonical_correlation import PairedDecomposition, closer_than_partner
from jamie.regression.folds import make_folds

log = logging.getLogger(__name__)

FRACTIONS = 2.0 ** np.arange(-2, 0.1, 0.25)  # of the components that are compared: a quarter to all
SPARE, PAIRS_TO_SPARE = 2, 50  # see `_spare`
REGULARIZATION = 0.1  # of the covariances: so little that superfluous components do harm, as they do to a network
REPEATS = 3  # of the five-fold cross-validation
MIN_PAIRS, MOST_PAIRS = 50, 2_000

Values = NDArray[np.float64]


@dataclass(frozen=True)
class SelectedComponents:
    """Preprocessed cells of as many components as are useful.

    Parameters
    ----------
    prepared
        Cells, whose inputs have these components; their targets, and what regressions read, have all.
    decisions
        For each modality that was examined, plain values: how many components are kept, of how many, and with which
        other modality FOSCTTM was cross-validated, by the number of components.
    """

    prepared: Prepared
    decisions: Mapping[str, dict[str, Any]] = field(default_factory=dict)


def select_components(prepared: Prepared, context: Context) -> SelectedComponents:
    """Leave out trailing components of modalities whose `pca` is to select those that predict other modalities.

    Canonical correlation of the leading components of two modalities, with little regularization, is fitted on known
    pairs of training cells, and finds the partners of those left out. The fewest components are taken whose FOSCTTM is
    within one standard error of the best, over pairs, and twice as many are kept, or more where there are more than 200
    pairs (`_spare`). What such a linear map finds no use for is noise to a network of few cells, which has more
    parameters to fit it with.

    Parameters
    ----------
    prepared
        All cells.
    context
        Random numbers.

    References
    ----------
    The rule of one standard error: Breiman et al. (1984), Classification and regression trees. 10.1201/9781315139470
    """
    examined = [m for m, chain in prepared.chains.items() if _selects(chain.steps[-1:])]
    if not examined or len(prepared.chains) < 2:
        return SelectedComponents(prepared)
    cells = prepared.subset(prepared.split.train, lazily=True).cells()
    selected, decisions = prepared, {}
    found_with: dict[str, list[tuple[float, dict[str, Any]]]] = {m: [] for m in examined}
    for a, b in combinations(cells.modalities, 2):
        closer = _closer_by_fraction(cells, a, b, context) if {a, b} & found_with.keys() else {}
        if closer:
            fraction = _fewest(closer)
            spared = fraction * _spare(cells.pairs(a, b)[0].size)
            scores = {f"{part:.2f}": round(float(values.mean()), 4) for part, values in closer.items()}
            for m, other in ((a, b), (b, a)):
                found_with.get(m, []).append((spared, {"with": other, "needed": fraction, "foscttm": scores}))
    for m, found in found_with.items():
        if not found:
            continue
        of = prepared.scores[m].shape[1]
        kept = _number(min(1.0, max(fraction for fraction, _ in found)), of)
        decisions[m] = {"kept": kept, "of": of, "cross_validated": [plain for _, plain in found]}
        if kept < of:
            log.info(
                "%s: the networks read the first %d of %d components; the others do not help to find partners",
                m,
                kept,
                of,
            )
            selected = _with_leading(selected, m, kept)
    return SelectedComponents(selected, decisions)


def _selects(last: tuple[Any, ...]) -> bool:
    return bool(last) and isinstance(last[0], PCA) and last[0].select == "predictive"


def _number(fraction: float, of: int) -> int:
    return min(of, max(2, round(fraction * of)))


def _spare(n_pairs: int) -> float:
    """Return how many times the components that a linear map needs are left to networks trained on so many pairs.

    Twice as many were best with few pairs. With many, networks make something of components that a linear map does not.
    """
    return float(max(SPARE, (n_pairs / PAIRS_TO_SPARE) ** 0.5))


def _closer_by_fraction(cells: Cells, a: str, b: str, context: Context) -> dict[float, Values]:
    """FOSCTTM (n,) of each known pair out of fold, by the fraction of the components; empty for too few pairs."""
    rows, columns = cells.pairs(a, b)
    if len(rows) < MIN_PAIRS:
        return {}
    generator = context.for_stage(f"components {a} and {b}").generator()
    chosen = np.sort(generator.permutation(len(rows))[:MOST_PAIRS])
    x, y = cells.scores[a][rows[chosen]], cells.scores[b][columns[chosen]]
    divisions = [make_folds(len(x), generator) for _ in range(REPEATS)]
    found = {}
    for part in map(float, FRACTIONS):
        first, second = (values[:, : _number(part, values.shape[1])] for values in (x, y))
        found[part] = np.mean([_closer_out_of_fold(first, second, folds) for folds in divisions], axis=0)
    return found


def _closer_out_of_fold(x: NDArray[np.float32], y: NDArray[np.float32], folds: NDArray[np.int64]) -> Values:
    """FOSCTTM (n,) of each pair of (n, d_x) and (n, d_y), among those of its fold."""
    closer = np.empty(len(x))
    for fold in np.unique(folds):
        inner, outer = folds != fold, folds == fold
        fitted = PairedDecomposition.of(x[inner], y[inner])
        to_x, to_y = fitted.projections(max(x.shape[1], y.shape[1]), REGULARIZATION, fitted.most)
        closer[outer] = closer_than_partner(unit_rows(to_x(x[outer])), unit_rows(to_y(y[outer])))
    return closer


def _fewest(closer: Mapping[float, Values]) -> float:
    """Return the least fraction whose mean is within one standard error of the least, paired."""
    best = min(closer.values(), key=lambda values: values.mean())
    for fraction, values in sorted(closer.items()):
        difference = values - best
        if difference.mean() <= difference.std(ddof=1) / np.sqrt(len(best)):
            return fraction
    return 1.0


def _with_leading(prepared: Prepared, modality: str, k: int) -> Prepared:
    """Return the cells with the first k components of a modality as its input, of mean variance 1 as all were."""
    chain, scores = prepared.chains[modality], prepared.scores[modality]
    last = chain.steps[-1]
    if not isinstance(last, PCA):
        raise TypeError(f"the last step of {modality} is {last.name}")
    fewer, factor = last.leading(k)
    leading = empty_array((len(scores), k))
    for rows in row_chunks(*leading.shape):
        leading[rows] = scores[rows, :k] / factor
    return replace(
        prepared,
        chains={**prepared.chains, modality: chain.with_last(fewer)},
        scores={**prepared.scores, modality: leading},
    )
