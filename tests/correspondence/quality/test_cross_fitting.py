import numpy as np
import pytest

from jamie.correspondence.quality.cross_fitting import RankTest, cross_fit, expected_rank_test, rank_test


def related(n, seed=0, noise=0.3):
    """Scores of n pairs that share three dimensions."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n, 3))
    return tuple(shared @ rng.normal(size=(3, d)) + noise * rng.normal(size=(n, d)) for d in (6, 4))


def everything(n):
    return np.ones(n, dtype=bool)


def test_partners_of_related_modalities_rank_high_and_random_ones_do_not():
    x, y = related(120)
    true = rank_test(cross_fit(x, y, np.random.default_rng(0)), everything(120))
    false = rank_test(cross_fit(x, y[::-1], np.random.default_rng(0)), everything(120))
    assert true.quantile < 0.15
    assert true.z > 10
    assert abs(false.z) < 3


def test_the_error_is_that_of_pairs_drawn_at_random():
    """Against the ranks of many random pairings of the same held-out cells."""
    rng = np.random.default_rng(1)
    folds = cross_fit(*related(60), rng)
    drawn = []
    for _ in range(200):
        shuffled = [type(fold)(fold.pairs, fold.a, rng.permutation(fold.b)) for fold in folds]
        drawn.append(rank_test(shuffled, everything(60)).quantile)
    assert np.std(drawn) == pytest.approx(rank_test(folds, everything(60)).error, rel=0.2)
    assert np.mean(drawn) == pytest.approx(0.5, abs=0.01)


def test_many_features_are_reduced_to_what_the_pairs_can_tell_of():
    x, y = related(64)
    wide = np.hstack([x, 0.01 * np.random.default_rng(2).normal(size=(64, 300))])
    assert rank_test(cross_fit(wide, y, np.random.default_rng(0)), everything(64)).z > 5


def test_what_is_expected_of_pairs_follows_from_others():
    x, y = related(200)
    first = np.arange(200) < 100
    folds = cross_fit(x, y, np.random.default_rng(0))
    assert expected_rank_test(folds, ~first, first).quantile == pytest.approx(
        rank_test(folds, ~first).quantile, abs=0.1
    )


def test_nothing_is_expected_of_cells_that_do_not_differ():
    x, y = related(200)
    first = np.arange(200) < 100
    y[~first] = y[~first].mean(axis=0)
    folds = cross_fit(x, y, np.random.default_rng(0))
    assert rank_test(folds, ~first).z == 0
    assert expected_rank_test(folds, ~first, first).quantile == 0.5


def test_no_pairs_are_chance():
    folds = cross_fit(*related(60), np.random.default_rng(0))
    assert rank_test(folds, ~everything(60)) == RankTest(0, 0.5, 0.0)
