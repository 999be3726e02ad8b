"""What the metrics of an inferred correspondence share: their inputs, and matchings to compare it with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.errors import DataError
from jamie.core.evaluation import MatchedPair

_SEED = 0


def require_true_pairs(metric: str, pair: MatchedPair, n_pairs: int) -> None:
    """Raise a `DataError` if no true pairs are left to score."""
    if not n_pairs:
        raise DataError(
            "expected true pairs that the inferer did not know, found none",
            where=f"metric '{metric}' of {pair.source} and {pair.target}",
            fix="hide some known pairs (evaluate.known_pairs), or leave the metric out of evaluate.metrics",
        )


def random_matching(shape: tuple[int, int]) -> sparse.csr_array:
    """Match the cells one to one at random; of the larger modality some have no partner. Always the same one."""
    generator, n = np.random.default_rng(_SEED), min(shape)
    rows, columns = (generator.permutation(size)[:n] for size in shape)
    return sparse.csr_array((np.ones(n), (rows, columns)), shape=shape)


def is_one_to_one(truth: sparse.csr_array) -> bool:
    """Whether every cell of either modality has exactly one true partner."""
    return all((np.diff(side.indptr) == 1).all() for side in (truth.tocsr(), truth.T.tocsr()))


def preprocessed_scores(metric: str, pair: MatchedPair) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return the preprocessed scores of the cells of both modalities.

    Raises
    ------
    DataError
        If they are not given, or are not of these cells.
    """
    where = f"metric '{metric}' of {pair.source} and {pair.target}"
    if pair.scores_source is None or pair.scores_target is None:
        raise DataError(
            "expected the preprocessed scores of both modalities, found none",
            where=where,
            fix="give MatchedPair its scores_source and scores_target",
        )
    found = len(pair.scores_source), len(pair.scores_target)
    if found != pair.inferred.shape:
        raise DataError(
            f"expected scores of the {pair.inferred.shape[0]} and {pair.inferred.shape[1]} cells that are matched, "
            f"found those of {found[0]} and {found[1]}",
            where=where,
            fix="give the scores of these cells, in their order",
        )
    return pair.scores_source, pair.scores_target
