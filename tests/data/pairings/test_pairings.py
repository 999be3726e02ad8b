import logging

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from jamie.core.errors import DataError
from jamie.data.pairings.matrix import MatrixPairing
from jamie.data.pairings.table import TablePairing


@pytest.fixture
def modalities(make):
    return {
        "rna": make.modality("rna", "abc"),
        "atac": make.modality("atac", "wxyz"),
        "prot": make.modality("prot", "pq"),
    }


def table(tmp_path, text):
    (tmp_path / "pairs.csv").write_text(text)
    return TablePairing(path=tmp_path / "pairs.csv")


def test_table_pairs_the_cells_of_a_row(modalities, tmp_path):
    pairs = table(tmp_path, "atac,rna,prot\nz,a,p\nw,b,\n,c,q\n").pairs(modalities)
    assert pairs.between("rna", "atac").matrix.toarray().tolist() == [[0, 0, 0, 1], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert pairs.between("rna", "prot").matrix.toarray().tolist() == [[1, 0], [0, 0], [0, 1]]
    assert pairs.between("prot", "atac").matrix.toarray().tolist() == [[0, 0, 0, 1], [0, 0, 0, 0]]


def test_table_may_hold_confidences_and_other_columns(modalities, tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "jamie"):
        pairs = table(tmp_path, "rna,atac,confidence,note\na,z,0.25,x\nb,z,1,y\n").pairs(modalities)
    np.testing.assert_array_equal(pairs.between("rna", "atac").matrix.toarray()[:, 3], [0.25, 1, 0])
    assert "ignored columns that are no modality: note" in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rna,atac\na,w\nb,Q\nc,x\nc,R\n", r"column 'atac': .* found 2 of 4 that modality 'atac' .* the first is 'Q'"),
        ("rna,other\na,w\n", "expected a column for each of rna, atac, prot, found rna, other"),
        ("rna,atac,confidence\na,w,2\n", "expected confidences from 0 to 1, found 1 other; the first is '2' in row 1"),
        ("rna,atac,confidence\na,w,\n", "the first is '' in row 1"),
        ("rna,atac\na,w\nb,x\na,w\n", "expected each pair once, found 1 again; the first is 'a' and 'w' in row 3"),
        ("", "found an empty file"),
    ],
)
def test_tables_that_do_not_fit_are_refused(text, message, modalities, tmp_path):
    with pytest.raises(DataError, match=message):
        table(tmp_path, text).pairs(modalities)


def test_table_of_another_format_is_refused(modalities, tmp_path):
    (tmp_path / "pairs.xlsx").write_text("x")
    with pytest.raises(DataError, match=r"expected a table of pairs \(.csv or .tsv\), found 'pairs.xlsx'"):
        TablePairing(path=tmp_path / "pairs.xlsx").pairs(modalities)


def test_matrix_rows_are_the_first_named_modality(modalities, tmp_path):
    F = np.zeros((4, 3))
    F[3, 0], F[1, 2] = 0.5, 1
    sparse.save_npz(tmp_path / "f.npz", sparse.csr_matrix(F))
    pairs = MatrixPairing(paths={"atac--rna": tmp_path / "f.npz"}).pairs(modalities)
    np.testing.assert_array_equal(pairs.between("atac", "rna").matrix.toarray(), F)
    assert pairs.between("rna", "prot").n_pairs == 0


def test_matrix_of_both_orders_is_refused(modalities, tmp_path):
    np.save(tmp_path / "f.npy", np.eye(3, 4))
    np.save(tmp_path / "g.npy", np.zeros((4, 3)))
    paths = {"rna--atac": tmp_path / "f.npy", "atac--rna": tmp_path / "g.npy"}
    with pytest.raises(DataError, match="expected one correspondence of two modalities, found rna--atac and atac--rna"):
        MatrixPairing(paths=paths).pairs(modalities)


def test_matrix_with_names_is_brought_into_order(modalities, tmp_path):
    F = pd.DataFrame(np.zeros((3, 2)), index=list("cab"), columns=list("qp"))
    F.loc["a", "q"] = 1
    F.to_csv(tmp_path / "f.csv")
    pairs = MatrixPairing(paths={"rna--prot": tmp_path / "f.csv"}).pairs(modalities)
    assert pairs.between("rna", "prot").matrix.toarray().tolist() == [[0, 1], [0, 0], [0, 0]]


@pytest.mark.parametrize(
    ("F", "message"),
    [
        (np.zeros((4, 3)), r"(?s)f.npy: expected 3 x 4 values \(cells of 'rna' x .* found 4 x 3.*call it 'atac--rna'"),
        (
            np.full((3, 4), -0.5),
            r"f.npy: expected entries from 0 to 1, found 12 .* first is -0.5 at row 0, column 0",
        ),
        (np.full((3, 4), 1.5), r"f.npy: .*found 12 outside; the first is 1.5"),
        (np.full((3, 4), np.nan), r"f.npy: .*found 12 outside; the first is nan"),
    ],
)
def test_matrices_that_do_not_fit_are_refused(F, message, modalities, tmp_path):
    np.save(tmp_path / "f.npy", F)
    with pytest.raises(DataError, match=message):
        MatrixPairing(paths={"rna--atac": tmp_path / "f.npy"}).pairs(modalities)


def test_matrix_of_other_cells_is_refused(modalities, tmp_path):
    pd.DataFrame(np.zeros((3, 2)), index=list("abX"), columns=list("pq")).to_csv(tmp_path / "f.csv")
    with pytest.raises(DataError, match="names of the cells of 'rna', found 1 of them missing; the first is 'c'"):
        MatrixPairing(paths={"rna--prot": tmp_path / "f.csv"}).pairs(modalities)


def test_matrix_of_unknown_modalities_is_refused(modalities, tmp_path):
    with pytest.raises(DataError, match=r"(?s)joined by --, found 'rna-atac'.*available: rna--atac, rna--prot"):
        MatrixPairing(paths={"rna-atac": tmp_path / "f.npy"}).pairs(modalities)
