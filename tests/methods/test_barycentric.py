import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.spatial.distance import cdist

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Correspondences, Inferred
from jamie.core.errors import DataError
from jamie.core.interfaces import CorrespondenceInferer
from jamie.methods.barycentric import Barycentric
from jamie.testing import toy


class NextInLine(CorrespondenceInferer):
    """Spreads every cell of a, in the order of its first score, over three cells of b; `share` of the cells only."""

    name = "next_in_line"
    uses_known = False

    def __init__(self, *, share: float = 1.0) -> None:
        self.share = share

    def _infer(self, a, b, known, context):
        F = np.zeros((a.n_cells, b.n_cells))
        ranked = b.scores[:, 0].argsort()
        for rank, cell in enumerate(a.scores[:, 0].argsort()[: round(self.share * a.n_cells)]):
            F[cell, ranked[[rank, rank + 1, rank + 2]]] = 0.4, 0.2, 0.1
        return Inferred(Correspondence(csr_array(F)), F.sum(axis=1), F.sum(axis=0).clip(max=1))


def test_a_cell_gets_the_mean_value_of_the_nearest_cells_that_have_partners():
    cells = toy.cells(known=False)
    query = cells.scores["rna"] * 1.1
    found = Barycentric(inferer=NextInLine(share=0.5), k=4).fit(cells, Context()).impute(query, "rna", "atac")
    matched = cells.scores["rna"][:, 0].argsort()[: round(0.5 * len(query))]
    ranked = cells.targets["atac"][cells.scores["atac"][:, 0].argsort()].astype(float)
    values = np.array([np.average(ranked[i : i + 3], axis=0, weights=[4, 2, 1]) for i in range(len(matched))])
    near = np.argsort(cdist(query, cells.scores["rna"][matched]), axis=1)[:, :4]
    np.testing.assert_allclose(found.mean, values[near].mean(axis=1), rtol=1e-5, atol=1e-6)


def test_known_pairs_are_partners_where_nothing_is_inferred():
    cells = toy.cells()
    method = Barycentric(inferer=NextInLine(share=0), k=1).fit(cells, Context())
    for source, target in (("rna", "atac"), ("atac", "rna")):
        rows, columns = cells.pairs(source, target)
        found = method.impute(cells.scores[source][rows], source, target)
        np.testing.assert_allclose(found.mean, cells.targets[target][columns])


def test_a_cell_known_through_a_third_modality_is_a_partner():
    cells = toy.cells(3)
    a, b, c = cells.modalities
    sizes = {m: view.n_cells for m, view in cells.views.items()}
    ab = Correspondence.from_pairs([3], [7], (sizes[a], sizes[b]))
    bc = Correspondence.from_pairs([7], [11], (sizes[b], sizes[c]))
    cells = type(cells)(cells.views, cells.targets, Correspondences(sizes, {(a, b): ab, (b, c): bc}))
    found = Barycentric(inferer=NextInLine(share=0), k=1).fit(cells, Context()).impute(cells.scores[a], a, c)
    np.testing.assert_allclose(found.mean, np.tile(cells.targets[c][11], (sizes[a], 1)))


def test_an_inferer_that_finds_no_partner_is_refused():
    message = (
        r"method 'barycentric': expected cells of rna with an inferred partner in atac, found none\n"
        r"  choose another inferer, or leave the method out"
    )
    with pytest.raises(DataError, match=message):
        Barycentric(inferer=NextInLine(share=0)).fit(toy.cells(known=False), Context())
