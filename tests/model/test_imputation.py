"""Imputing new cells block by block, feature by feature, and the modalities that need not be named."""

import numpy as np
import pytest
from anndata import AnnData
from mudata import MuData

import jamie
from jamie.core import imputation as core
from jamie.core.context import Context
from jamie.core.errors import DataError
from jamie.data.assemble import mudata_conventions
from jamie.model.choose_modalities import choose_direction, compatible_modalities
from jamie.model.imputation import impute_query
from jamie.model.query import Query

GENERATOR = np.random.default_rng(0)


def cells(n=40, **sizes):
    latent = GENERATOR.normal(size=(n, 2))
    modalities = {}
    for name, p in sizes.items():
        modalities[name] = AnnData((latent @ GENERATOR.normal(size=(2, p)) + 5).astype(np.float32))
        modalities[name].obs_names = [f"cell{i}" for i in range(n)]
        modalities[name].var_names = [f"{name}{j}" for j in range(p)]
    with mudata_conventions():
        return MuData(modalities)


@pytest.fixture(scope="module")
def mdata():
    return cells(rna=12, adt=7)


@pytest.fixture(scope="module")
def model(mdata):
    preprocess = {"modalities.*.preprocess": ["standardize", {"pca": {"n_components": 3}}]}
    return jamie.JAMIE("default", preprocess, latent_dim=2, min_epochs=2, max_epochs=2).fit(mdata)


@pytest.fixture(scope="module")
def three():
    return jamie.JAMIE("default", latent_dim=2, min_epochs=1, max_epochs=1).fit(cells(rna=6, adt=5, atac=4)).model


def test_blocks_and_chosen_features_give_the_values_of_the_whole(model, mdata, monkeypatch):
    whole = model.impute(mdata, "rna", "adt")
    assert whole.shape == (40, 7)
    monkeypatch.setattr(core, "_BLOCK_VALUES", 9)
    blockwise = model.impute(mdata, "rna", "adt", features=["adt5", "adt0", "adt5"])
    assert list(blockwise.var_names) == ["adt5", "adt0"]
    np.testing.assert_allclose(blockwise.X, whole.X[:, [5, 0]], atol=1e-5)
    assert whole.uns["jamie"] == {"source": "rna", "target": "adt", "units": "as X of adt"}


def test_only_the_chosen_features_are_brought_back_to_units(model, mdata):
    query = Query(model.model, "rna", mdata["rna"], Context())
    imputed = impute_query(query, "adt", ["adt5"])
    assert imputed.rows(slice(3, 9)).X.shape == (6, 1)
    inverse = model.model.modalities["adt"].target_chain.inverse(np.array([5]))
    assert inverse.narrow[1].components.shape == (2, 1)  # the noise-free cells span two dimensions


def test_warnings_are_given_once_for_all_blocks(model, mdata, monkeypatch, caplog):
    monkeypatch.setattr(core, "_BLOCK_VALUES", 40)
    few = mdata["rna"][:, :11].copy()
    few.X *= 100
    model.impute(few, "rna", "adt")
    assert caplog.text.count("1 of 12 features (8.33 %) are missing: 'rna11'; they carry 8.3 % of the variance") == 1
    assert caplog.text.count("give X on the scale that the model was trained on") == 1


def test_integers_and_sparse_cells_are_cells(model, mdata):
    from scipy import sparse

    whole = mdata["rna"].copy()
    whole.X = np.round(whole.X).astype(np.float32)
    expected = model.impute(whole, "rna", "adt").X
    for X in (whole.X.astype(np.int64), sparse.csc_matrix(whole.X), sparse.csr_array(whole.X.astype(np.float64))):
        given = AnnData(X, obs=whole.obs, var=whole.var)
        np.testing.assert_allclose(model.impute(given, "rna", "adt").X, expected, atol=1e-4)


def test_features_that_repeat_a_name_count_once(model, mdata, caplog):
    import anndata

    twice = anndata.concat([mdata["rna"], mdata["rna"]], axis="var")
    twice.X[:, 12:] = 77
    np.testing.assert_allclose(model.impute(twice, "rna", "adt").X, model.impute(mdata, "rna", "adt").X, atol=1e-5)
    assert "12 features repeat the name of another (first: 'rna0')" in caplog.text


class TestDirection:
    @pytest.mark.parametrize(
        ("present", "source", "target", "expected"),
        [
            (["rna"], None, None, ("rna", "adt")),
            (["rna", "other"], None, None, ("rna", "adt")),
            (["rna", "adt"], None, "rna", ("adt", "rna")),
            ([], None, "rna", ("adt", "rna")),
            (["rna", "adt"], "adt", None, ("adt", "rna")),
        ],
    )
    def test_of_two_modalities(self, model, present, source, target, expected):
        assert choose_direction(model.model, present, source, target) == expected

    def test_of_three_modalities(self, three):
        assert choose_direction(three, ["atac"], None, "rna") == ("atac", "rna")
        with pytest.raises(DataError, match=r"expected 'to', .* found adt, atac\n  give --to .* adt or atac"):
            choose_direction(three, ["rna"], None, None)

    @pytest.mark.parametrize(
        ("present", "words"),
        [
            (
                ["rna", "adt"],
                r"impute: expected 'source', the modality that is measured, .* found rna, adt\n  give --so",
            ),
            (["gex"], r"expected 'source', .* found none among gex\n  name the modalities and features as in training"),
        ],
    )
    def test_that_does_not_follow(self, model, present, words):
        with pytest.raises(DataError, match=words):
            choose_direction(model.model, present, None, None)

    def test_a_modality_is_known_by_its_features(self, model, mdata):
        assert compatible_modalities(model.model, mdata["adt"], 0.2) == ["adt"]
        assert compatible_modalities(model.model, mdata["adt"][:, :5], 0.2) == []
        np.testing.assert_array_equal(model.impute(mdata["adt"]).X, model.impute(mdata, "adt", "rna").X)
