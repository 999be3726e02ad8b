"""Genomic windows: rings about a gene, peaks removed one by one, tests between rings."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import stats

from jamie.core.context import Context
from jamie.core.data import Block
from jamie.core.errors import DataError
from jamie.data.readers.simulate_regulatory import SimulateRegulatory
from jamie.explain.knockout.explainer import Knockout
from jamie.explain.knockout.windows import WINDOWS, genomic_coordinates, window_tests, windows_around

GENE = {"chrom": "1", "start": 2_000_000, "end": 2_050_000}


def block(names, **columns):
    var = pd.DataFrame(columns, index=names) if columns else None
    return Block(np.zeros((2, len(names)), np.float32), pd.Index(names), var=var)


@pytest.mark.parametrize(
    ("chrom", "start", "end", "window"),
    [
        ("1", 2_049_000, 2_060_000, "gene body"),  # it overlaps
        ("1", 2_060_000, 2_060_500, "10 kb"),
        ("1", 1_989_000, 1_989_999, "100 kb"),
        ("1", 2_150_000, 2_150_001, "100 kb"),
        ("1", 1_000_000, 1_000_100, "1 Mb"),
        ("1", 5, 10, "same chromosome"),
        ("11", 2_000_000, 2_000_100, "genome-wide"),
        (None, 5, 10, None),
    ],
)
def test_each_peak_lies_in_one_window(chrom, start, end, window):
    peaks = genomic_coordinates(block(["a", "b"], chrom=[chrom, "chr9"], start=[start, 1], end=[end, 2]), "atac")
    assert list(windows_around(GENE, peaks)) == [window, "genome-wide"]
    assert window is None or window in WINDOWS


@pytest.mark.parametrize("names", [["chr1:5-10", "chrX:7-90"], ["chr1-5-10", "chrX-7-90"], ["1_5_10", "X_7_90"]])
def test_names_of_peaks_hold_their_place(names):
    found = genomic_coordinates(block(names), "atac")
    assert found["chrom"].tolist() == ["1", "X"]
    assert found["start"].tolist() == [5, 7]
    assert found["end"].tolist() == [10, 90]
    assert list(found.index) == names


def test_columns_may_have_other_names():
    found = genomic_coordinates(block(["a", "b"], Chr=["chr2", "3"], Start=["4", "x"], END=[9, 9]), "atac")
    assert found.loc["a"].tolist() == ["2", 4, 9]
    assert found.loc["b"].isna().any()


def test_without_coordinates_it_is_said_what_is_needed():
    message = r"expected columns chrom, start, end in var, or names such as chr1:100-200, found columns chrom and names"
    with pytest.raises(DataError, match=message):
        genomic_coordinates(block(["gene_a"], chrom=["chr1"]), "modality 'rna'")


def test_tests_between_neighbouring_windows_are_one_tailed_and_welchs():
    generator = np.random.default_rng(0)
    values = {
        "gene body": generator.normal(0.8, 0.1, 7),
        "100 kb": generator.normal(0.9, 0.02, 30),
        "1 Mb": [0.9],
    }  # one value is no sample
    table = pd.concat([pd.DataFrame({"target": "g", "window": w, "value": v}) for w, v in values.items()])
    found = window_tests(table)
    assert list(zip(found["window_a"], found["window_b"], strict=True)) == [("gene body", "100 kb"), ("100 kb", "1 Mb")]
    expected = stats.ttest_ind(values["gene body"], values["100 kb"], equal_var=False, alternative="less")
    assert found.loc[0, "p_value"] == pytest.approx(expected.pvalue)
    assert found.loc[0, "t"] == pytest.approx(expected.statistic)
    assert found.loc[1, ["t", "p_value"]].isna().all()
    together = window_tests(pd.concat([table, table.assign(target="h")]))
    assert list(together["target"]) == ["g", "g", "h", "h", "all", "all"]
    assert together["n_a"].tolist() == [7, 30, 7, 30, 14, 60]


@pytest.fixture(scope="module")
def regulated(train):
    reader = SimulateRegulatory(n_cells=100, n_genes=12, n_peaks=60, n_tfs=0, n_types=2)
    mdata = reader.read(Context())
    links = mdata.uns["truth"]["peak_links"]
    given = {m: AnnData(mdata[m].X, mdata[m].obs, mdata[m].var) for m in ("atac", "rna")}
    settings = {"training.ensemble": 1, "training.min_epochs": 20, "training.max_epochs": 20, "model.latent_dim": 12}
    return train(given, **settings), links


def test_peaks_around_a_gene(regulated):
    subject, links = regulated
    gene = str(links["gene"].value_counts().index[0])
    found = Knockout(windows=[gene], cells="all").explain(subject, Context())
    table = found.tables["windows"]
    assert set(table["target"]) == {gene}
    assert set(table["window"]) <= set(WINDOWS)
    assert len(table) == 60
    assert not table["feature"].duplicated().any()
    assert table["value"].between(-1, 1).all()
    assert found.settings["metric"] == "imputation"
    X = subject.dataset.modalities["atac"].input.X
    before = subject.impute("atac", "rna", subject.scores("atac"), features=[gene])[:, 0]
    row = table.iloc[3]
    values = X.copy()
    j = subject.dataset.modalities["atac"].input.features.get_loc(row["feature"])
    values[:, j] = X[subject.split.train["atac"], j].mean(dtype=float)
    after = subject.impute("atac", "rna", subject.preprocess("atac", values), features=[gene])[:, 0]
    assert row["value"] == pytest.approx(np.corrcoef(before, after)[0, 1], abs=1e-5)
    assert {"window_a", "window_b", "p_value", "t"} <= set(found.tables["tests"].columns)


def test_windows_are_drawn_from_or_removed_as_a_whole(regulated):
    subject, links = regulated
    genes = list(dict.fromkeys(links["gene"].astype(str)))[:2]
    some = Knockout(windows=genes, per_window=2, cells="all").explain(subject, Context()).tables["windows"]
    assert some.groupby(["target", "window"]).size().max() == 2
    whole = Knockout(windows=genes, whole_windows=True, cells="all").explain(subject, Context())
    assert list(whole.tables) == ["windows"]
    assert whole.tables["windows"].groupby("target")["n_features"].sum().tolist() == [60, 60]
    assert (whole.tables["windows"]["window"] == whole.tables["windows"]["feature"]).all()


def test_an_unknown_gene_is_refused(regulated):
    with pytest.raises(DataError, match="expected features of the modality, found 'absent'"):
        Knockout(windows=["absent"]).explain(regulated[0], Context())
