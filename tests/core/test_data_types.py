"""Value types that carry cells, the affine module, errors and names near to a misspelt one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from jamie.core import data
from jamie.core.affine import AffineModule
from jamie.core.correspondence import Correspondence, Correspondences
from jamie.core.data import Block, Dataset, ModalityData, Split, View
from jamie.core.errors import DataError, JamieError
from jamie.core.lazy_rows import LazyRows
from jamie.core.matrix import to_dense
from jamie.core.suggest import closest_names, suggest_names
from jamie.testing import toy


@pytest.mark.parametrize("cells", [[3, 1], np.arange(41) % 2 == 0])
def test_a_modality_keeps_the_chosen_cells_in_their_order(cells):
    modality = toy.modalities()["rna"]
    index = np.arange(41)[cells]
    some = modality.subset(cells)
    assert list(some.cells) == [modality.cells[i] for i in index]
    np.testing.assert_array_equal(some.input.X, toy.counts("rna")[index])
    assert some.target is some.input
    assert modality.n_cells == 41


def test_a_target_of_its_own_is_cut_as_well():
    X = toy.counts("rna")
    modality = ModalityData("rna", toy.obs("rna"), Block(X, toy.features("rna")), Block(2 * X, toy.features("rna")))
    some = modality.subset([4, 0])
    np.testing.assert_array_equal(some.target.X, 2 * X[[4, 0]])
    assert some.target is not some.input


def test_a_view_keeps_scores_and_matrix_together():
    view = toy.view()
    some = view.subset([5, 2])
    np.testing.assert_array_equal(some.scores, view.scores[[5, 2]])
    np.testing.assert_array_equal(some.block.X, view.block.X[[5, 2]])
    assert (some.n_cells, view.n_cells) == (2, 41)


def test_a_dataset_keeps_cells_and_their_pairs_together():
    pairs = Correspondences({"rna": 41, "atac": 53}, {("rna", "atac"): Correspondence(np.eye(41, 53))})
    some = Dataset(toy.modalities(), pairs, pairs).subset({"rna": [7, 2], "atac": [1, 2, 7]})
    assert some.sizes == dict(some.truth.sizes) == {"rna": 2, "atac": 3}
    assert some.known.between("rna", "atac").matrix.toarray().tolist() == [[0, 0, 1], [0, 1, 0]]


def test_held_out_cells_are_those_not_trained_on():
    split = Split({"rna": np.array([True, False]), "atac": np.array([True, True])})
    assert split.held_out["rna"].tolist() == [False, True]
    assert split.any_held_out
    assert not Split({"atac": np.array([True])}).any_held_out


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize(
    ("A", "diagonal"),
    [(np.diag([2.0, -1.0]), True), (np.array([[1.0, 2.0], [0.0, 3.0]]), False), (np.ones((2, 3)), False)],
)
def test_the_affine_module_is_the_map(form, A, diagonal):
    b = np.arange(A.shape[1], dtype=float)
    x = np.array([[1.0, 2.0], [3.0, -4.0], [0.5, 0.0]])
    module = AffineModule(form(A), b)
    np.testing.assert_allclose(module(torch.tensor(x, dtype=torch.float32)), x @ A + b, rtol=1e-6)
    if sparse.issparse(form(A)):
        assert bool(module.diagonal) == diagonal


def test_an_error_says_where_what_and_what_to_do():
    error = DataError("expected 3 cells, found 2", where="modality 'rna'", fix="add cells")
    assert str(error) == "modality 'rna': expected 3 cells, found 2\n  add cells"
    assert str(DataError("expected 3 cells, found 2")) == "expected 3 cells, found 2"
    assert (error.code, error.where, error.problem, error.fix) == (
        "data",
        "modality 'rna'",
        "expected 3 cells, found 2",
        "add cells",
    )


def test_each_error_has_a_code_of_its_own():
    codes = [error.code for error in (JamieError, *JamieError.__subclasses__())]
    assert len(codes) == len(set(codes))


def test_near_names_ignore_case_and_dashes_and_the_nearest_is_first():
    names = ["unioncom", "gromov_wasserstein", "union"]
    assert closest_names("unoincom", names)[0] == "unioncom"
    assert closest_names("Gromov-Wasserstein", names) == ["gromov_wasserstein"]
    assert closest_names("zzz", names) == []


def test_available_names_are_listed_after_the_nearest():
    assert (
        suggest_names("standardise", ["pca", "standardize"])
        == "did you mean 'standardize'?   available: pca, standardize"
    )
    assert suggest_names("zzz", ["pca"]) == "available: pca"
    assert suggest_names("zzz", []) == "there is none"
    assert suggest_names("zzz", [f"gene{i}" for i in range(23)], most=2) == "available: gene0, gene1, and 21 more"


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ([1, 2, 1], ["1", "2", "1"]),
        (["1", None, "1"], ["1", None, "1"]),
        (pd.Categorical([1, np.nan, 2], categories=[1, 2, 3]), ["1", None, "2"]),
        (pd.Categorical(["T", "B", np.nan]), ["T", "B", None]),
        ([True, False, True], ["True", "False", "True"]),
        ([np.nan, np.nan, np.nan], [None, None, None]),
    ],
)
def test_labels_are_text_whatever_the_column_holds(column, expected):
    obs = pd.DataFrame({"label": column}, index=["a", "b", "c"])
    block = Block(np.zeros((3, 1), np.float32), pd.Index(["f"]))
    assert ModalityData("rna", obs, block, block).labels("label").tolist() == expected


@pytest.mark.parametrize("sparse_cells", [False, True])
def test_large_sparse_cells_are_not_copied_where_their_rows_are_enough(sparse_cells, monkeypatch):
    monkeypatch.setattr(data, "LAZY_FROM", 10)
    X = sparse.csr_array(toy.counts("rna")) if sparse_cells else toy.counts("rna")
    block = Block(X, toy.features("rna"))
    modality, index = ModalityData("rna", toy.obs("rna"), block, block), np.array([30, 3, 17, 4])
    some, expected = modality.subset(index, lazily=True), modality.subset(index)
    assert isinstance(some.input.X, LazyRows) is sparse_cells
    assert not isinstance(expected.input.X, LazyRows)
    assert some.target is some.input
    assert some.input.X.shape == expected.input.X.shape
    for rows in (np.array([2, 0]), slice(None)):
        found, wanted = some.input.X[rows], expected.input.X[rows]
        np.testing.assert_array_equal(to_dense(found), to_dense(wanted))
    view = View("rna", some.input, np.zeros((4, 1), np.float32))
    np.testing.assert_array_equal(to_dense(view.in_memory().block.X), to_dense(expected.input.X))
    assert view.in_memory().in_memory().block.X.shape == expected.input.X.shape
