"""What components read beside the matrix: it follows cells and features, and is given to whom declares it."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import jamie
from jamie.core.batch import BatchElements
from jamie.core.elements import Elements
from jamie.core.errors import ContractError, DataError
from jamie.core.requirements import DATA_WORDS, describe, keys_of, problem_of_words


class Reads(jamie.Distance):
    """Declares some words."""

    name = "reads"
    requires = ("obsm:spatial", "obs:age", "var:chrom", "labels")

    def _pairwise(self, view, to):
        raise NotImplementedError


@pytest.fixture
def elements():
    values = {
        "obsm:spatial": pd.DataFrame({"x": range(6), "y": 1.0}),
        "obs:age": pd.Series(range(6)),
        "obs:donor": pd.Series(["a", None, "b", "a", "b", "b"], dtype="category"),
        "layer:counts": sparse.csr_array(np.diag(range(1, 7)).astype(np.float32)),
        "uns:genes": ["A"],
    }
    table = pd.DataFrame({"chrom": ["1", "2", None], "start": [5, 6, 7]})
    return Elements("rna", values, features=pd.Index(["f", "g", "h"]), table=table)


def test_cells_and_features_are_followed(elements):
    some = elements.subset([4, 1, 2]).subset([2, 0]).select(np.array([2, 0]))
    assert some.obs("age").tolist() == [2, 4]
    assert some.obs("donor").tolist() == ["b", "b"]
    assert elements.obs("donor").tolist() == ["a", None, "b", "a", "b", "b"]
    assert some.obsm("spatial").tolist() == [[2, 1], [4, 1]]
    assert some.layer("counts").toarray().max(axis=1).tolist() == [3, 5]
    assert some.uns("genes") == ["A"]
    assert list(some.features) == ["h", "f"]
    assert some.var("chrom").tolist() == [None, "1"]
    assert some.var("start").tolist() == [7, 5]


def test_values_of_a_subset_are_put_in_their_rows(elements):
    some = elements.subset([4, 1]).with_cells("labels:kind", np.array(["x", None], object))
    assert some.labels().tolist() == ["x", None]
    assert some.subset([1]).labels("kind").tolist() == [None]
    assert some.label_columns == ("kind",)
    assert Elements().with_cells("index", np.array([2, 0, 1])).subset([2]).index.tolist() == [1]


def test_groups_have_means_of_numbers(elements):
    weights = sparse.csr_array(np.array([[0.5, 0.5, 0, 0, 0, 0], [0, 0, 0.25, 0.25, 0.25, 0.25]]))
    groups = elements.grouped(weights)
    assert groups.obs("age").tolist() == [0.5, 3.5]
    assert groups.obsm("spatial").tolist() == [[0.5, 1], [3.5, 1]]
    assert groups.layer("counts").shape == (2, 6)
    assert groups.uns("genes") == ["A"]
    with pytest.raises(ContractError, match="found no column 'donor' of obs"):
        groups.obs("donor")


def test_a_component_reads_what_it_declares_and_nothing_else(elements):
    read = elements.read_by(Reads())
    assert read.obs("age").tolist() == list(range(6))
    for word, call in (
        ("obs:donor", lambda: read.obs("donor")),
        ("layer:counts", lambda: read.layer("counts")),
        ("uns:genes", lambda: read.uns("genes")),
        ("var:start", lambda: read.var("start")),
        ("index", lambda: read.index),
        ("batch", lambda: read.batch),
    ):
        with pytest.raises(ContractError, match=rf"without declaring it\n  add \"{word}\" to its `requires`"):
            call()
    with pytest.raises(DataError, match="distance 'reads', modality 'rna': expected labels for training, found none"):
        read.labels()
    with pytest.raises(ContractError, match="found no obsm 'umap', which no component has declared"):
        elements.obsm("umap")


def test_a_loss_reads_what_it_declares_and_nothing_else():
    class Loss(jamie.Loss):
        """Declares labels."""

        name = "mine"
        requires = ("labels", "obsm:spatial")

        def forward(self, batch, output):
            raise NotImplementedError

    read = BatchElements({"labels:kind": {"rna": "codes"}}, categories={"kind": ("x", "y")}).read_by(Loss())
    assert read.labels("rna") == read.labels("rna", "kind") == "codes"
    assert read.label_names() == ("x", "y")
    with pytest.raises(
        DataError, match="loss 'mine', modality 'atac': expected labels 'kind' for training, found none"
    ):
        read.labels("atac")
    with pytest.raises(DataError, match="expected obsm 'spatial', found none"):
        read.obsm("rna", "spatial")
    for call in (read.index, lambda m: read.layer(m, "counts"), lambda m: read.links(m, "atac")):
        with pytest.raises(ContractError, match="without declaring it"):
            call("rna")
    with pytest.raises(ContractError, match="reads column 'chrom' of var without declaring it"):
        read.of("rna").var("chrom")


def test_words():
    assert keys_of(("obs:a", "links", "obs:b:c", "obsm:d"), "obs") == ["a", "b:c"]
    assert problem_of_words(("obs:a", "links"), "distance", DATA_WORDS) == ""
    assert all(describe(word) for word in DATA_WORDS)
    assert describe("var:chrom") == "column 'chrom' of var"
