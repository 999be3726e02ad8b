import logging

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from jamie.core.elements import Elements
from jamie.core.errors import DataError
from jamie.core.lazy_rows import LazyRows
from jamie.preprocess.chain import Chain
from jamie.preprocess.gene_activity import GeneActivity, overlaps
from jamie.preprocess.standardize import Standardize

PEAKS = pd.DataFrame(
    {
        "chrom": ["chr1", "chr1", "chr1", "chr2", "chr2", "chrX"],
        "start": [100, 5000, 8000, 100, 900, 100],
        "end": [600, 5500, 8600, 700, 1400, 800],
    },
    index=["chr1:100-600", "chr1:5000-5500", "chr1:8000-8600", "chr2:100-700", "chr2:900-1400", "chrX:100-800"],
)
GENES = pd.DataFrame(
    {
        "gene": ["plus", "minus", "wide", "far", "two"],
        "chrom": ["chr1", "chr1", "chr1", "chr1", "chr2"],
        "start": [2000, 6000, 1, 90_000, 500],
        "end": [4900, 7000, 9000, 95_000, 600],
        "strand": ["+", "-", "+", "+", "+"],
    }
)


@pytest.fixture
def table(tmp_path):
    def write(genes=GENES):
        genes.to_csv(tmp_path / "genes.csv", index=False)
        return tmp_path / "genes.csv"

    return write


def elements(peaks=PEAKS):
    return Elements("atac", features=peaks.index, table=peaks)


def fitted(path, peaks=PEAKS, **settings):
    X = np.random.default_rng(0).poisson(2, (20, len(peaks))).astype(np.float32)
    cells = pd.DataFrame(index=range(20))
    return GeneActivity(genes=path, **settings).fit(X, cells, elements(peaks)), X, cells


def test_peaks_of_body_and_upstream_region_are_summed(table):
    step, X, cells = fitted(table(), upstream=2000)
    assert list(step.feature_names_out(PEAKS.index)) == ["plus", "minus", "wide", "two"]
    # plus starts at 2000 and reaches to 0; minus starts at 7000, on the other strand, and reaches to 9000
    expected = np.column_stack([X[:, 0], X[:, 2], X[:, 0] + X[:, 1] + X[:, 2], X[:, 3]])
    for form in (np.asarray, sparse.csr_array):
        found = step.transform(form(X), cells)
        np.testing.assert_array_equal(found.toarray() if sparse.issparse(found) else found, expected)
    step, X, cells = fitted(table(), upstream=0)
    assert list(step.feature_names_out(PEAKS.index)) == ["wide", "two"]


def test_overlaps_are_those_of_every_pair():
    generator = np.random.default_rng(1)

    def places(n, length):
        start = generator.integers(0, 10_000, n)
        chrom = generator.choice(["chr1", "chr2"], n)
        return pd.DataFrame({"chrom": chrom, "start": start, "end": start + generator.integers(1, length, n)})

    peaks, genes = places(200, 900), places(60, 3000)
    (a, b), (c, d) = ((table["start"].to_numpy(), table["end"].to_numpy()) for table in (peaks, genes))
    same = peaks["chrom"].to_numpy()[:, None] == genes["chrom"].to_numpy()
    np.testing.assert_array_equal(overlaps(peaks, genes).toarray(), same & (a[:, None] < d) & (b[:, None] > c))


def test_the_inverse_is_the_pseudoinverse(table):
    step, X, cells = fitted(table())
    expected = np.linalg.pinv(step.sums.toarray())
    np.testing.assert_allclose(step.shares.toarray(), expected, atol=1e-12)
    Z = step.transform(X, cells)
    np.testing.assert_allclose(step.transform(step.inverse_transform(Z), cells), Z, atol=1e-5)
    np.testing.assert_allclose(step.inverse_as_module()(torch.tensor(Z)).numpy(), step.inverse_transform(Z), atol=1e-5)


def test_places_may_be_in_the_names(table):
    named = PEAKS[[]]
    expected = fitted(table())[0].sums.toarray()
    for names in (PEAKS.index, PEAKS.index.str.replace(":", "-"), PEAKS.index.str.replace("[:-]", "_", regex=True)):
        step, *_ = fitted(table(), named.set_axis(names), columns=None)
        np.testing.assert_array_equal(step.sums.toarray(), expected)
    assert GeneActivity(genes=table(), columns=None).required() == ()
    assert GeneActivity(genes=table()).required() == ("var:chrom", "var:start", "var:end")


def test_cells_read_a_block_at_a_time_give_the_same(table):
    step, X, cells = fitted(table())
    lazy = LazyRows(sparse.csr_array(X), cells)
    np.testing.assert_array_equal(step.transform_block(lazy, cells).toarray(), step.transform(X, cells))


def test_in_a_chain_it_reads_the_peaks_that_are_left(table, caplog):
    caplog.set_level(logging.INFO)
    X = np.random.default_rng(0).poisson(2, (20, 6)).astype(np.float32)
    X[:, 1] = 3  # constant, and dropped before
    cells = pd.DataFrame(index=range(20))
    chain = Chain([GeneActivity(genes=table()), Standardize()], "atac")
    chain.fit(X, cells, PEAKS.index, elements=Elements("atac", table=PEAKS))
    assert list(chain.feature_names_out(PEAKS.index)) == ["plus", "minus", "wide", "two"]
    restored = Chain([GeneActivity(genes=table()), Standardize()], "atac").set_state(*chain.state())
    np.testing.assert_array_equal(restored.transform(X, cells), chain.transform(X, cells))
    assert "4 genes from 3 of 5 peaks" in caplog.text


def test_after_a_step_that_makes_other_features_there_are_no_peaks(table):
    again = Chain([GeneActivity(genes=table()), GeneActivity(genes=table())], "atac")
    with pytest.raises(DataError, match=r"found those that the steps before it made\n  put it before gene_activity"):
        again.fit(
            np.random.default_rng(0).poisson(2, (20, 6)).astype(np.float32),
            pd.DataFrame(index=range(20)),
            PEAKS.index,
            elements=Elements("atac", table=PEAKS),
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda g: g.drop(columns="end"),
            "expected the columns gene, chrom, start, end, found gene, chrom, start, strand",
        ),
        (lambda g: g.assign(chrom=g["chrom"].str[3:]), "peaks lie on chr1, chr2, chrX, genes on 1, 2"),
        (
            lambda g: g.assign(gene="one"),
            "found 4 rows without, or of a gene again\n  mend or take out rows such as number 2",
        ),
        (lambda g: g.assign(end=0), "expected one place for each gene, found 5 rows without"),
        (lambda g: g.assign(start="x"), "expected one place for each gene, found 5 rows without"),
    ],
)
def test_wrong_genes_are_refused(table, change, message):
    with pytest.raises(DataError) as error:
        fitted(table(change(GENES)))
    assert message in str(error.value)


def test_wrong_peaks_are_refused(table):
    with pytest.raises(DataError, match="each peak, found 1 without; the first is 'chr1:5000-5500'"):
        fitted(table(), PEAKS.assign(start=[100, 9e9, 8000, 100, 900, 100]))
    with pytest.raises(DataError, match="each peak, found 6 without; the first is 'peak0'"):
        fitted(table(), PEAKS.set_axis([f"peak{i}" for i in range(6)]), columns=None)
    with pytest.raises(DataError, match=r"expected column 'Chr' of var, found none\n  did you mean 'chrom'"):
        fitted(table(), columns=["Chr", "start", "end"])
