import logging
from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence
from jamie.correspondence.auto import Auto


@pytest.fixture
def views(view_of):
    """Two views of n cells, the first of whose features are linked."""

    def make(n, n_links=0):
        a, b = (view_of(m, np.random.default_rng(i).normal(size=(n, 12))) for i, m in enumerate("ab"))
        links = sparse.csr_array((np.ones(n_links), (np.arange(n_links), np.arange(n_links))), shape=(12, 12))
        return replace(a, links={"b": links}), replace(b, links={"a": links})

    return make


def pairs(n, n_known):
    return Correspondence.from_pairs(np.arange(n_known), np.arange(n_known), (n, n))


@pytest.mark.parametrize(
    ("n", "n_known", "n_links", "device", "picked", "because"),
    [
        (60, 5, 12, "cpu", "seeded", "5 pairs are known, of which 5 are enough"),
        (60, 4, 10, "cpu", "mutual_nearest", "only 4 pairs are known, but 10 features are linked"),
        (60, 0, 12, "cpu", "mutual_nearest", "no pair is known, but 12 features are linked"),
        (
            60,
            1,
            9,
            "cpu",
            "gromov_wasserstein",
            "only 1 pair is known and only 9 features are linked, and 60 cells are few enough to compare all",
        ),
        (300, 0, 0, "cpu", "multistart_gromov_wasserstein", "no pair is known and no features are linked"),
        (
            300,
            1,
            0,
            "cpu",
            "hierarchical",
            "only 1 pair is known and no features are linked, and 300 cells are more than 100 (cpu)",
        ),
        (
            300,
            1,
            0,
            "cuda",
            "gromov_wasserstein",
            "only 1 pair is known and no features are linked, and 300 cells are few enough to compare all",
        ),
        (
            401,
            1,
            0,
            "cuda",
            "hierarchical",
            "only 1 pair is known and no features are linked, and 401 cells are more than 400 (cuda)",
        ),
    ],
)
def test_it_picks_by_what_is_known_and_how_many_cells_there_are(n, n_known, n_links, device, picked, because, views):
    inferer, reason = Auto(most_cells=100).choose(*views(n, n_links), pairs(n, n_known), Context(device=device))
    assert (inferer.name, reason) == (picked, because)


def test_where_memory_is_short_it_picks_what_fits(views):
    a, b = views(100)
    inferer, reason = Auto().choose(a, b, pairs(100, 0), Context(memory_limit=1000))
    assert inferer.name == "hierarchical"
    assert "and gromov_wasserstein on 100 cells would need 0.0 GiB, the limit being 0.0 GiB" in reason


def test_a_cell_with_several_partners_is_one_pair(views):
    known = Correspondence.from_pairs([0] * 6, range(6), (60, 60), [0.1] * 6)
    assert Auto().choose(*views(60), known, Context())[0].name == "gromov_wasserstein"


def test_the_larger_modality_decides(views):
    a, b = views(120)
    few = a.subset(np.arange(20))
    known = pairs(120, 1).subset(np.arange(20), np.arange(120))
    for first, second, given in ((few, b, known), (b, few, known.T)):
        assert Auto(most_cells=100).choose(first, second, given, Context())[0].name == "hierarchical"


def test_it_says_what_it_picked_and_infers_as_that_does(isometric_copy, caplog):
    copy = isometric_copy(40, 50)
    known = Correspondence.from_pairs([0], copy.partner[:1], (40, 50))
    with caplog.at_level(logging.INFO, "jamie"):
        found = Auto().infer(copy.a, copy.b, known)
    assert found.diagnostics["picked"] == "gromov_wasserstein"
    assert found.diagnostics["because"].startswith("only 1 pair is known")
    assert "auto picks gromov_wasserstein, because only 1 pair is known" in caplog.text
    assert found.diagnostics["converged"]
    places = found.correspondence.matrix.toarray().argmax(axis=1)
    assert (places == copy.partner).mean() > 0.5


def test_without_pairs_it_keeps_optima_that_agree_and_else_falls_back(view_of):
    rng = np.random.default_rng(0)
    a, b = (view_of(name, rng.normal(size=(150, 10))) for name in "ab")
    kept = Auto(min_agreement=0).infer(a, b).diagnostics
    assert kept["picked"] == "multistart_gromov_wasserstein"
    fallen = Auto().infer(a, b).diagnostics
    assert fallen["picked"] == "gromov_wasserstein"
    disagree = (
        f"the optima of multistart_gromov_wasserstein disagree (agreement {kept['agreement']:.2f}, 0.47 is enough)"
    )
    assert disagree in fallen["because"]
    assert fallen["because"].endswith("and 150 cells are few enough to compare all")
    assert (fallen["optima"], fallen["candidates"]) == (kept["optima"], kept["candidates"])
    assert fallen["converged"]
