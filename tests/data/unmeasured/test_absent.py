"""What the data list and nobody measured: padded cells, rows of NaN, panels that one batch lacks."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from jamie.core.data import Block, ModalityData
from jamie.data.unmeasured.absent import measured_values, without_absent

N, P = 60, 12


def counts(rate=6.0, n=N, p=P):
    return np.random.default_rng(0).poisson(rate, (n, p)).astype(np.float32) + 1


def modality(X, **obs):
    frame = pd.DataFrame(obs, index=[f"c{i}" for i in range(X.shape[0])])
    block = Block(X, pd.Index([f"f{j}" for j in range(X.shape[1])]))
    return ModalityData("prot", frame, block, block)


def batches():
    return np.repeat(["A", "B"], N // 2)


def to_dense(X):
    return X.toarray() if sparse.issparse(X) else X


@pytest.fixture(params=[np.asarray, sparse.csr_array], ids=["dense", "sparse"])
def form(request):
    return request.param


class TestCells:
    @pytest.mark.parametrize("value", [0, np.nan])
    def test_padded_cells_leave_the_modality(self, form, caplog, value):
        X = counts()
        X[[3, 50]] = value
        found = without_absent(modality(form(X)), "auto", (), None)
        assert found.n_cells == N - 2
        assert "c3" not in found.cells
        assert found.target is found.input
        assert "2 of 60 cells are" in caplog.text
        assert "modalities.prot.absent: keep takes them as values" in caplog.text

    def test_keep_takes_them_as_values(self, form):
        X = counts()
        X[3] = 0
        assert without_absent(modality(form(X)), "keep", (), None).n_cells == N

    def test_a_cell_without_counts_among_shallow_ones_is_measured(self, form, caplog):
        X = np.random.default_rng(0).poisson(0.15, (N, P)).astype(np.float32)
        assert (X.sum(1) == 0).sum() >= 5
        assert without_absent(modality(form(X)), "auto", (), None).n_cells == N
        assert "taken as measured" in caplog.text
        assert "set modalities.prot.absent: mask" in caplog.text
        masked = without_absent(modality(form(X)), "mask", (), None)
        assert masked.n_cells == N - (X.sum(1) == 0).sum()

    def test_padding_that_was_scaled_is_found_by_its_one_value(self, caplog):
        X = np.log1p(counts())
        X[:12] = 0
        scaled = ((X - X.mean(0)) / X.std(0)).astype(np.float32)
        found = without_absent(modality(scaled), "auto", (), None)
        assert found.n_cells == N - 12
        assert "12 of 60 cells are the same in all 12 features" in caplog.text

    def test_cells_that_happen_to_be_equal_stay(self):
        X = np.random.default_rng(0).integers(0, 2, (N, 5)).astype(np.float32)
        X[X.sum(1) == 0, 0] = 1
        assert without_absent(modality(X), "auto", (), None).n_cells == N


class TestPanels:
    def test_a_feature_that_is_often_zero_may_be_zero_in_a_whole_batch(self, caplog):
        rng = np.random.default_rng(0)
        X = (counts(n=400) * (rng.random((400, P)) < 0.4)).astype(np.float32)
        batch = np.array([f"batch{i % 12}" for i in range(400)])
        X[batch == "batch3", 2] = 0  # 33 cells; that any of 12 features is so in any of 12 batches is not so unlikely
        assert without_absent(modality(X, batch=batch), "auto", (), None).input.panels is None

    @pytest.mark.parametrize("value", [0, np.nan])
    def test_features_that_a_batch_lacks_are_missing_there(self, form, caplog, value):
        X = counts()
        X[: N // 2, 9:] = value
        found = without_absent(modality(form(X), batch=batches()), "auto", (), None)
        assert np.isnan(to_dense(found.input.X))[: N // 2, 9:].all()
        assert np.isfinite(to_dense(found.input.X))[N // 2 :].all()
        assert found.input.panels.sum(axis=1).tolist() == [12, 9]
        assert "3 of 12 features (f9, f10, f11)" in caplog.text
        assert "count as not measured there" in caplog.text
        np.testing.assert_array_equal(to_dense(measured_values(found.input).X), np.nan_to_num(X))

    def test_each_batch_may_lack_others(self, form):
        X = counts()
        X[: N // 2, 9:] = 0
        X[N // 2 :, :2] = 0
        panels = without_absent(modality(form(X), lane=batches()), "auto", (), None).input.panels
        assert sorted(panels.sum(axis=1)) == [9, 10, 12]

    def test_a_fill_that_was_scaled_is_found(self):
        X = np.log1p(counts())
        X[: N // 2, 9:] = 0
        scaled = ((X - X.mean(0)) / X.std(0)).astype(np.float32)
        found = without_absent(modality(scaled, donor=batches()), "auto", (), None)
        assert np.isnan(found.input.X[: N // 2, 9:]).all()

    def test_keep_leaves_all_as_it_is(self, form):
        X = counts()
        X[: N // 2, 9:] = 0
        found = without_absent(modality(form(X), batch=batches()), "keep", (), None)
        assert found.input.panels is None

    def test_the_batch_key_may_have_any_name(self, form):
        X = counts()
        X[: N // 2, 9:] = 0
        assert without_absent(modality(form(X), kit=batches()), "auto", (), "kit").input.panels is not None

    def test_a_column_of_another_name_is_only_told(self, form, caplog):
        X = counts()
        X[: N // 2, 9:] = 0
        data = modality(form(X), kit=batches())
        assert without_absent(data, "auto", (), None).input.panels is None
        assert "if they were not measured there, set modalities.prot.absent: mask" in caplog.text
        assert without_absent(data, "mask", (), None).input.panels is not None

    def test_a_type_may_lack_what_the_others_have(self, form, caplog):
        X = counts()
        X[: N // 2, 9:] = 0
        assert without_absent(modality(form(X), sample=batches()), "auto", ("sample",), None).input.panels is None
        assert not caplog.records

    def test_few_of_many_features_may_be_those_of_a_sex(self, form):
        X = counts(p=200)
        X[: N // 2, 198:] = 0
        assert without_absent(modality(form(X), donor=batches()), "auto", (), None).input.panels is None

    def test_a_batch_of_another_type_lacks_some_and_has_little_of_others(self, form):
        X = counts(p=40)
        X[: N // 2, 20:] = np.random.default_rng(1).poisson(0.03, (N // 2, 20))
        assert (X[: N // 2, 20:].sum(axis=0) == 0).any()
        assert without_absent(modality(form(X), batch=batches()), "auto", (), None).input.panels is None

    def test_what_single_cells_lack_is_no_panel(self, form):
        X = counts()
        X[[1, 2, 3], [4, 5, 6]] = np.nan
        assert without_absent(modality(form(X)), "auto", (), None).input.panels is None
        assert len(without_absent(modality(form(X)), "mask", (), None).input.panels) == 4

    def test_a_feature_that_nobody_was_measured_for_is_no_panel(self, form):
        X = counts()
        X[:, 4] = np.nan
        assert without_absent(modality(form(X)), "auto", (), None).input.panels is None

    def test_rare_features_are_no_panel(self, form):
        X = np.random.default_rng(0).poisson(0.05, (N, 300)).astype(np.float32)
        X[:, 0] = 1
        assert without_absent(modality(form(X), batch=batches()), "auto", (), None).input.panels is None
