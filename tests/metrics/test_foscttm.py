import numpy as np
import pytest
from scipy import sparse

from jamie.core.evaluation import EmbeddedPair
from jamie.metrics import closer_fractions
from jamie.metrics.foscttm import FOSCTTM


def by_hand(a, b, truth):
    """The definition, with every distance in double precision."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    distances = np.array([((row - b) ** 2).sum(axis=1) for row in a])
    directions = []
    for D, T in ((distances, truth.toarray()), (distances.T, truth.toarray().T)):
        fractions = []
        for row, partners in zip(D, T > 0, strict=True):
            if partners.any():
                own = row[partners].min()
                ties = (row == own).sum()
                fractions.append(((row < own).sum() + (ties / 2 if ties > 1 else 0)) / len(row))
        directions.append(np.mean(fractions))
    return np.mean(directions)


def score(a, b, truth=None):
    truth = sparse.eye_array(len(a), format="csr") if truth is None else truth
    return FOSCTTM().score(EmbeddedPair("rna", "atac", a, b, truth)).value


@pytest.fixture(params=[(512, 1024), (7, 5)])
def blocks(request, monkeypatch):
    monkeypatch.setattr(closer_fractions, "CHUNK_A", request.param[0])
    monkeypatch.setattr(closer_fractions, "CHUNK_B", request.param[1])


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("noise", [0.01, 1, 100])
@pytest.mark.parametrize("offset", [0, 1e4])
def test_foscttm_equals_the_definition(noise, offset):
    rng = np.random.default_rng(0)
    a = rng.normal(size=(60, 6))
    a[5] *= 1000
    b = (a + noise * rng.normal(size=a.shape) + offset).astype(np.float32)
    a = (a + offset).astype(np.float32)
    truth = sparse.eye_array(60, format="csr")
    assert score(a, b) == pytest.approx(by_hand(a, b, truth), abs=1e-8)


@pytest.mark.usefixtures("blocks")
def test_foscttm_with_duplicates_equals_the_definition():
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 3, (2, 50, 3)).astype(np.float32)
    assert score(a, b) == pytest.approx(by_hand(a, b, sparse.eye_array(50, format="csr")), abs=1e-8)


@pytest.mark.usefixtures("blocks")
def test_foscttm_with_unmatched_cells_and_several_partners_equals_the_definition():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(30, 4)), rng.normal(size=(47, 4))
    truth = sparse.csr_array(rng.random((30, 47)) < 0.03)
    assert 0 < (truth.sum(axis=1) == 0).sum() < 30
    assert truth.sum(axis=1).max() > 1
    assert score(a, b, truth) == pytest.approx(by_hand(a, b, truth), abs=1e-8)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6, 1e-30])
def test_foscttm_of_a_collapsed_embedding_is_one_half(value):
    z = np.full((33, 5), value, np.float32)
    assert score(z, z) == 0.5


def test_foscttm_of_an_embedding_with_one_cell_apart_from_a_collapse():
    z = np.full((33, 5), 0.1)
    moved = z.copy()
    moved[7] += 1  # the cell and its partner are alone in their place: 0 for these two, 1/2 in 32 of 33 for the others
    assert score(moved, moved) == pytest.approx(32 / 33 * 16 / 33, abs=1e-12)


def test_foscttm_of_a_perfect_embedding_is_zero():
    z = np.random.default_rng(3).normal(size=(40, 5)).astype(np.float32)
    assert score(z, z.copy()) == 0


def test_foscttm_of_the_worst_embedding_leaves_only_the_partner():
    a = np.array([[0.0], [10.0]])
    assert score(a, a[::-1]) == 0.5


def test_foscttm_of_unrelated_latents_is_near_one_half():
    a, b = np.random.default_rng(4).normal(size=(2, 400, 8))
    assert score(a, b) == pytest.approx(0.5, abs=0.03)


def test_foscttm_does_not_depend_on_the_order_of_cells():
    rng = np.random.default_rng(5)
    a = rng.normal(size=(40, 5))
    b = a + 0.5 * rng.normal(size=a.shape)
    order = rng.permutation(40)
    shuffled = sparse.eye_array(40, format="csr")[:, order]
    assert score(a, b[order], shuffled) == pytest.approx(score(a, b), abs=1e-12)
    assert score(b, a) == pytest.approx(score(a, b), abs=1e-12)
