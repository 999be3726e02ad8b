import logging

import numpy as np
import pytest
from scipy import sparse

from jamie.core.correspondence import Correspondence
from jamie.correspondence.quality.assess import assess


def identity(n, m=None):
    return Correspondence.from_pairs(np.arange(n), np.arange(n), (n, m or n))


def plain_quantile(F, pairs):
    """Written out: fraction of the other cells above the true partner, ties one half, both directions."""
    values = []
    for M, turned in ((F, False), (F.T, True)):
        for i, j in pairs:
            i, j = (j, i) if turned else (i, j)
            others = np.delete(M[i], j)
            values.append((others > M[i, j]).mean() + 0.5 * (others == M[i, j]).mean())
    return np.mean(values)


def test_quantile_mass_and_top1_equal_a_plain_evaluation():
    rng = np.random.default_rng(0)
    F = np.where(rng.random((12, 15)) < 0.5, rng.random((12, 15)).round(1), 0)
    pairs = [(0, 3), (4, 4), (7, 14), (11, 0)]
    truth = Correspondence.from_pairs(*zip(*pairs, strict=True), (12, 15))
    quality = assess(Correspondence(sparse.csr_array(F)), truth)
    assert quality.n_pairs == 4
    assert quality.mean_quantile == pytest.approx(plain_quantile(F.astype(np.float32), pairs))
    each = [plain_quantile(F.astype(np.float32), [pair]) for pair in pairs]
    assert len(quality.quantile_curve) == 101
    np.testing.assert_allclose(
        np.array(quality.quantile_curve)[[0, 50, 100]], np.quantile(each, [0, 0.5, 1]), rtol=1e-6
    )
    mass = [F[i, j] / F[i].sum() / 2 + F[i, j] / F[:, j].sum() / 2 for i, j in pairs]
    assert quality.mass == pytest.approx(np.mean(mass), rel=1e-5)
    assert quality.top1_chance == pytest.approx((1 / 12 + 1 / 15) / 2)


def test_perfect_is_perfect():
    quality = assess(identity(30, 40), identity(30, 40), labels=(np.arange(30) % 3, np.arange(40) % 3))
    assert (quality.mean_quantile, quality.top1, quality.mass, quality.mean_row_entropy) == (0, 1, 1, 0)
    assert quality.better_than_chance
    assert quality.type_accuracy > 0.9  # 10 cells without a partner count as drawn at random


@pytest.mark.parametrize("found", [Correspondence.empty((50, 50)), Correspondence(np.full((50, 50), 0.02))])
def test_what_knows_nothing_is_at_chance_and_said_loudly(found, caplog):
    labels = np.repeat([0, 1], 25)
    with caplog.at_level(logging.WARNING, "jamie"):
        quality = assess(found, identity(50), labels=(labels, labels), where="rna--ephys")
    assert quality.mean_quantile == pytest.approx(0.5)
    assert quality.top1 == pytest.approx(1 / 50)
    assert quality.type_accuracy == pytest.approx(0.5)
    assert quality.mean_row_entropy == pytest.approx(1)
    assert not quality.better_than_chance
    assert "rna--ephys: the inferred correspondence is NO BETTER THAN CHANCE" in caplog.text


def test_random_permutation_is_no_better_than_chance():
    order = np.random.default_rng(0).permutation(200)
    quality = assess(Correspondence.from_pairs(np.arange(200), order, (200, 200)), identity(200))
    assert not quality.better_than_chance


def test_labels_alone_suffice(caplog):
    labels = np.repeat(["x", "y", "z"], 20)
    shifted = Correspondence.from_pairs(np.arange(60), np.roll(np.arange(60), 20), (60, 60))
    with caplog.at_level(logging.WARNING, "jamie"):
        quality = assess(shifted, Correspondence.empty((60, 60)), labels=(labels, labels))
    assert quality.type_accuracy == 0
    assert quality.type_chance == pytest.approx(1 / 3)
    assert "type accuracy 0.000 (chance 0.333)" in caplog.text
    assert "mean_quantile" not in quality.as_dict()


def test_labels_of_too_few_cells_tell_nothing(caplog):
    labels, others = ["x", "x", "y", "y", "z", "z", "z"], ["y", "z", "x", "x", "z"]
    with caplog.at_level(logging.WARNING, "jamie"):
        found = Correspondence.from_pairs(range(5), range(5), (7, 5))
        quality = assess(found, Correspondence.empty((7, 5)), labels=(labels, others))
    assert quality.better_than_chance is None
    assert quality.type_accuracy is not None
    assert not caplog.text


def test_labels_of_few_cells_tell_that_all_is_right():
    labels = ["x", "x", "y", "y", "z", "z", "z"]
    assert assess(identity(7), Correspondence.empty((7, 7)), labels=(labels, labels)).better_than_chance


def test_labels_do_not_overrule_hidden_pairs(caplog):
    labels = np.repeat(["x", "y", "z"], 20)
    shifted = Correspondence.from_pairs(np.arange(60), np.roll(np.arange(60), 20), (60, 60))
    with caplog.at_level(logging.WARNING, "jamie"):
        quality = assess(shifted, Correspondence.empty((60, 60)), labels=(labels, labels), checked=True)
    assert (quality.type_accuracy, quality.better_than_chance) == (0, None)
    assert not caplog.text


def test_nothing_known_is_no_judgement(caplog):
    quality = assess(identity(10), Correspondence.empty((10, 10)))
    assert quality.better_than_chance is None
    assert quality.as_dict() == {"mean_row_entropy": 0.0, "n_pairs": 0}
    assert not caplog.text
