import numpy as np
import pytest

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Correspondences, Inferred
from jamie.core.data import Cells
from jamie.core.errors import DataError, MemoryLimitError
from jamie.core.interfaces import CorrespondenceInferer
from jamie.methods.unioncom import UnionCom
from jamie.metrics.closer_fractions import closer_fractions
from jamie.testing.controls import isometric_copy


class Told(CorrespondenceInferer):
    """A correspondence that is given."""

    name = "told"

    def _infer(self, a, b, known, context):
        return Inferred(known, np.ones(a.n_cells), np.ones(b.n_cells))


def cells_of(pair, known=None):
    views = {v.modality: v for v in (pair.a, pair.b)}
    sizes = {m: v.n_cells for m, v in views.items()}
    given = {} if known is None else {("a", "b"): known}
    return Cells(views, {m: v.scores for m, v in views.items()}, Correspondences(sizes, given))


def foscttm(pair, z):
    return sum(closer_fractions(z["a"].astype(float), z["b"].astype(float), *pair.truth.pairs())) / 2


@pytest.mark.parametrize("n_extra", [0, 20])
def test_isometric_copies_are_aligned_without_pairs(n_extra):
    pair = isometric_copy(80, n_extra)
    cells = cells_of(pair)
    method = UnionCom(perplexity=15.0).fit(cells)
    z = method.embed(cells.scores)
    # two of the copy's five dimensions hold all that there is
    assert {m: v.shape for m, v in z.items()} == {"a": (80, 5), "b": (80 + n_extra, 5)}
    assert foscttm(pair, z) < (0.02 if n_extra == 0 else 0.1)


def test_the_first_modality_may_be_the_larger():
    pair = isometric_copy(60, 15)
    cells = cells_of(pair, pair.truth)
    turned = Cells(
        {m: cells.views[m] for m in ("b", "a")}, cells.targets, Correspondences({"b": 75, "a": 60}, cells.known.by_pair)
    )
    z = UnionCom(correspondence=Told(), perplexity=10.0).fit(turned).embed(turned.scores)
    assert foscttm(pair, z) < 0.01


def test_neighbours_stay_neighbours():
    from sklearn.manifold import trustworthiness

    pair = isometric_copy(80)
    cells = cells_of(pair, pair.truth)
    z = UnionCom(correspondence=Told(), perplexity=15.0).fit(cells).embed(cells.scores)
    for m, view in cells.views.items():
        assert trustworthiness(view.scores, z[m], n_neighbors=10) > 0.95


def test_the_heavier_the_coupling_the_nearer_the_partners():
    pair = isometric_copy(60)
    wrong = Correspondence.from_pairs(np.arange(60), np.roll(np.arange(60), 7), (60, 60))
    cells = cells_of(pair, wrong)
    apart = []
    for coupling in (0.0, 1e-3, 1.0):
        z = UnionCom(correspondence=Told(), perplexity=10.0, coupling=coupling).fit(cells).embed(cells.scores)
        apart.append(np.linalg.norm(z["a"] - z["b"][np.roll(np.arange(60), 7)]) / np.linalg.norm(z["b"]))
    assert apart[0] > 2 * apart[1] > 4 * apart[2]


def test_optimisation_lowers_the_objective():
    seen = []
    context = Context(progress=lambda stage, done, total, values: seen.append((stage, values)))
    UnionCom(perplexity=10.0).fit(cells_of(isometric_copy()), context)
    values = [v["objective"] for stage, v in seen if stage == "projection"]
    assert len(values) > 1
    assert values == sorted(values, reverse=True)


def test_too_few_cells_for_the_perplexity():
    message = r"modality 'a': expected more than 31 cells for a perplexity of 30, found 25\s+lower perplexity"
    with pytest.raises(DataError, match=message):
        UnionCom().fit(cells_of(isometric_copy(25)))


def test_memory_is_asked_for_first():
    with pytest.raises(MemoryLimitError, match="unioncom on 60 and 60 cells would need"):
        UnionCom().fit(cells_of(isometric_copy()), Context(memory_limit=1000))
