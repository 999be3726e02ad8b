import gzip
import logging

import numpy as np
import pandas as pd
import pytest
from scipy import io, sparse

from jamie.core.errors import DataError
from jamie.data.readers.table import TableReader
from jamie.data.storage.matrices import read_matrix

X = np.array([[1.5, 0, 2], [0, 3, 0], [4, 0, 0.25], [0, 0, 7]], dtype=np.float32)
FRAME = pd.DataFrame(X, index=["c1", "c2", "c3", "c4"], columns=["g1", "g2", "g1"])


def named_csv(path):
    FRAME.to_csv(path)


def r_style_tsv(path):
    path.write_text("g1\tg2\tg1\n" + "\n".join(f"c{i + 1}\t" + "\t".join(map(str, row)) for i, row in enumerate(X)))


def header_only_csv(path):
    FRAME.to_csv(path, index=False)


def bare_csv(path):
    FRAME.to_csv(path, index=False, header=False)


def dense_npz(path):
    np.savez(path, X)


def sparse_npz(path):
    sparse.save_npz(path, sparse.csc_matrix(X))


def mtx(path):
    io.mmwrite(path, sparse.coo_matrix(X))


def npy(path):
    np.save(path, X)


@pytest.mark.parametrize(
    ("write", "file", "rows", "columns"),
    [
        (named_csv, "m.csv", True, True),
        (named_csv, "m.csv.gz", True, True),
        (r_style_tsv, "m.tsv", True, True),
        (header_only_csv, "m.csv", False, True),
        (bare_csv, "m.csv", False, False),
        (dense_npz, "m.npz", False, False),
        (sparse_npz, "m.npz", False, False),
        (mtx, "m.mtx", False, False),
        (npy, "m.npy", False, False),
    ],
)
def test_every_format_gives_the_same_matrix(write, file, rows, columns, tmp_path):
    write(tmp_path / file)
    found = read_matrix(tmp_path / file)
    assert sparse.issparse(found.X) == (write in (sparse_npz, mtx))
    np.testing.assert_array_equal(found.X.toarray() if sparse.issparse(found.X) else found.X, X)
    assert found.X.dtype == np.float32
    assert (list(found.rows) == list(FRAME.index)) if rows else (found.rows is None)
    assert (list(found.columns) == list(FRAME.columns)) if columns else (found.columns is None)


def test_numeric_names_are_told_by_the_empty_corner_and_keep_their_zeros(tmp_path):
    (tmp_path / "m.csv").write_text(",0,1\n007,1,2\n008,3,4\n")
    found = read_matrix(tmp_path / "m.csv")
    assert (list(found.rows), list(found.columns)) == (["007", "008"], ["0", "1"])


def test_names_can_be_said(tmp_path):
    (tmp_path / "m.csv").write_text("7,1,2\n8,3,4\n")
    assert list(read_matrix(tmp_path / "m.csv", names="rows").rows) == ["7", "8"]
    assert list(read_matrix(tmp_path / "m.csv", names="columns").columns) == ["7", "1", "2"]
    assert read_matrix(tmp_path / "m.csv").X.shape == (2, 3)


@pytest.mark.parametrize(
    ("columns", "options", "shown", "names"),
    [
        ([0, 1, 2], {"index": False}, "0,1,2", "columns"),
        ([1, 2, 3], {"index": False}, "1,2,3", "columns"),
        ([0, 1, 2], {"index_label": "cell"}, "cell,0,1,2", "both"),
        ([3, 7, 8, 20, 31], {"index": False}, "3,7,8,20,...", "columns"),
    ],
)
def test_a_first_line_that_may_number_the_columns_is_refused_until_said(columns, options, shown, names, tmp_path):
    values = np.resize(X, (4, len(columns)))
    pd.DataFrame(values, index=FRAME.index, columns=columns).to_csv(tmp_path / "m.csv", **options)
    message = (
        rf"m\.csv: expected a first line of names or of values, found one that may be either: {shown}\n  if it numb"
    )
    with pytest.raises(DataError, match=message):
        read_matrix(tmp_path / "m.csv")
    found = read_matrix(tmp_path / "m.csv", names=names)
    np.testing.assert_array_equal(found.X, values)
    assert list(found.columns) == [str(column) for column in columns]
    n_values = {"columns": "none", "both": "rows"}[names]
    assert read_matrix(tmp_path / "m.csv", names=n_values).X.shape == (5, len(columns))


@pytest.mark.parametrize("text", ["0,2,1\n3,4,5\n", "0,1,2\n", "0,1,1,2,3\n3,4,5,6,7\n", "0.5,1,2,3,4\n1,1,1,1,1\n"])
def test_values_that_do_not_number_the_columns_are_values(text, tmp_path):
    (tmp_path / "m.csv").write_text(text)
    assert read_matrix(tmp_path / "m.csv").X.shape == (text.count("\n"), text.split("\n")[0].count(",") + 1)


def test_missing_values_are_kept_for_fill_missing(tmp_path):
    (tmp_path / "m.csv").write_text(",a,b\nx,1,\ny,NA,4\n")
    np.testing.assert_array_equal(read_matrix(tmp_path / "m.csv").X, [[1, np.nan], [np.nan, 4]])


def test_compressed_matrix_market(tmp_path):
    mtx(tmp_path / "m.mtx")
    (tmp_path / "n.mtx.gz").write_bytes(gzip.compress((tmp_path / "m.mtx").read_bytes()))
    np.testing.assert_array_equal(read_matrix(tmp_path / "n.mtx.gz").X.toarray(), X)


def test_equal_numbers_of_nameless_rows_are_not_taken_for_matched_cells(tmp_path, caplog):
    npy(tmp_path / "a.npy")
    npy(tmp_path / "b.npy")
    with caplog.at_level(logging.WARNING, "jamie"):
        mdata = TableReader(paths={"rna": tmp_path / "a.npy", "atac": tmp_path / "b.npy"}).read()
    assert list(mdata["rna"].obs_names) == ["rna_0", "rna_1", "rna_2", "rna_3"]
    assert not set(mdata["rna"].obs_names) & set(mdata["atac"].obs_names)
    assert "cells of rna, atac have no names" in caplog.text
    assert "`known: table` or `known: matrix`" in caplog.text


def test_names_and_labels_from_files_features_as_rows(tmp_path):
    np.save(tmp_path / "a.npy", X.T)
    named_csv(tmp_path / "b.csv")
    (tmp_path / "cells.txt").write_text("c4\nc3\nc2\nc1\n")
    (tmp_path / "genes.tsv").write_text("gene\tchromosome\nA\t1\nB\t2\nC\tX\n")
    pd.DataFrame({"cell": ["c1", "c2", "c3", "c4"], "type": list("xxyy")}).to_csv(tmp_path / "obs.csv", index=False)
    reader = TableReader(
        paths={"rna": tmp_path / "a.npy", "atac": tmp_path / "b.csv"},
        cells={"rna": tmp_path / "cells.txt"},
        features={"rna": tmp_path / "genes.tsv"},
        obs=tmp_path / "obs.csv",
        transpose=["rna"],
    )
    mdata = reader.read()
    np.testing.assert_array_equal(mdata["rna"].X, X)
    assert list(mdata["rna"].var_names) == ["A", "B", "C"]
    assert list(mdata["rna"].obs["type"]) == list("yyxx")
    assert list(mdata["atac"].obs["type"]) == list("xxyy")
    assert list(mdata["atac"].var_names) == ["g1", "g2", "g1-1"]
    assert len(reader.sources()) == 5


def test_cells_that_the_annotations_lack_are_counted(tmp_path, caplog):
    named_csv(tmp_path / "a.csv")
    (tmp_path / "obs.csv").write_text("cell,type\nc1,x\nc2,y\nc9,z\n")
    with caplog.at_level(logging.WARNING, "jamie"):
        mdata = TableReader(paths={"rna": tmp_path / "a.csv"}, obs=tmp_path / "obs.csv").read()
    assert "2 of 4 cells of 'rna' have no row" in caplog.text
    assert mdata["rna"].obs["type"].isna().tolist() == [False, False, True, True]


def test_annotations_of_other_cells_are_refused(tmp_path):
    named_csv(tmp_path / "a.csv")
    (tmp_path / "obs.csv").write_text("cell,type\nq,x\n")
    with pytest.raises(DataError, match="such as 'c1', found none of them; the first row is 'q'"):
        TableReader(paths={"rna": tmp_path / "a.csv"}, obs=tmp_path / "obs.csv").read()


def test_features_with_the_names_of_another_modalitys_cells_are_noticed(tmp_path, caplog):
    named_csv(tmp_path / "b.csv")
    paths = {"rna": tmp_path / "a.csv", "atac": tmp_path / "b.csv"}
    FRAME.T.set_axis(["g1", "g2", "g3"]).to_csv(tmp_path / "a.csv")
    TableReader(paths=paths).read()
    assert (
        "reader 'table': the features of 'rna', such as 'c1', have the names of cells of 'atac'; if the file has "
        "features as rows, set `transpose: [rna]`"
    ) in caplog.messages
    caplog.clear()
    TableReader(paths=paths, transpose=["rna"]).read()
    assert "transpose" not in caplog.text


def test_features_with_the_names_of_annotated_cells_are_noticed(tmp_path, caplog):
    FRAME.T.set_axis(["g1", "g2", "g3"]).to_csv(tmp_path / "a.csv")
    (tmp_path / "obs.csv").write_text("cell,type\nc1,x\nc2,y\nc3,z\n")
    with pytest.raises(DataError, match="such as 'g1', found none of them; the first row is 'c1'"):
        TableReader(paths={"rna": tmp_path / "a.csv"}, obs=tmp_path / "obs.csv").read()
    assert "have the names of cells of the obs table; if the file has features as rows, set `transpose: [rna]`" in (
        caplog.text
    )


def test_annotations_separated_otherwise_are_refused(tmp_path):
    named_csv(tmp_path / "a.csv")
    (tmp_path / "obs.csv").write_text("cell;type\nc1;x\n")
    with pytest.raises(DataError, match=r"obs\.csv: expected fields separated by commas, found .* separated by ';'"):
        TableReader(paths={"rna": tmp_path / "a.csv"}, obs=tmp_path / "obs.csv").read()


def test_a_wrong_number_of_names_is_refused(tmp_path):
    npy(tmp_path / "a.npy")
    (tmp_path / "cells.txt").write_text("c1\nc2\n")
    with pytest.raises(DataError, match=r"cells\.txt: expected 4 names of the cells of 'rna', found 2"):
        TableReader(paths={"rna": tmp_path / "a.npy"}, cells={"rna": tmp_path / "cells.txt"}).read()


def test_names_of_an_absent_modality_are_refused(tmp_path):
    npy(tmp_path / "a.npy")
    with pytest.raises(DataError, match=r"(?s)cells: expected a modality of paths, found 'rma'.*did you mean 'rna'"):
        TableReader(paths={"rna": tmp_path / "a.npy"}, cells={"rma": tmp_path / "cells.txt"}).read()
    with pytest.raises(DataError, match="transpose: expected a modality of paths, found 'x'"):
        TableReader(paths={"rna": tmp_path / "a.npy"}, transpose=["x"]).read()
    with pytest.raises(DataError, match="reader 'table', paths: expected a file for each modality, found none"):
        TableReader(paths={}).read()


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("m.csv", b",a,b\nx,1,2\ny,3,high\n", "expected numbers, found 'high' in row 'y', column 'b'"),
        ("m.csv", b"", "found an empty file"),
        ("m.csv", b"\n\n", "found no line with values"),
        ("m.tsv", b"a\tb\n1\t2\n1\t2\t3\t4\n", "expected 4 fields in every line, found 2 in line 2"),
        (
            "m.csv",
            b";a;b\nx;1,5;2\ny;3;4\n",
            "separated by commas, found a first line that seems to be separated by ';'",
        ),
        ("m.tsv", b"a;b\n1;2\n", "separated by tabs, found a first line that seems to be separated by ';'"),
        ("m.csv.gz", b"not compressed", "cannot be read as one"),
        ("m.mtx", b"no header\n", "expected a first line .*, found .no header."),
        ("m.npy", b"nothing of numpy", "cannot be read as one"),
        ("m.npz", b"nothing of numpy", "cannot be read as one"),
        ("m.xlsx", b"x", r"expected a file that ends in .csv, .tsv, .*, found 'm.xlsx'"),
    ],
)
def test_files_that_hold_no_matrix_are_named(file, text, message, tmp_path):
    (tmp_path / file).write_bytes(text)
    with pytest.raises(DataError, match=rf"{file}: .*{message}"):
        read_matrix(tmp_path / file)


def test_arrays_that_are_no_matrix_are_refused(tmp_path):
    np.save(tmp_path / "one.npy", np.ones(3))
    np.save(tmp_path / "text.npy", np.array([["a", "b"]]))
    np.save(tmp_path / "pickled.npy", np.array([[{}]], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "two.npz", a=X, b=X)
    with pytest.raises(DataError, match="expected a matrix of numbers, found 1 dimensions"):
        read_matrix(tmp_path / "one.npy")
    with pytest.raises(DataError, match="expected a matrix of numbers, found 2 dimensions of type <U1"):
        read_matrix(tmp_path / "text.npy")
    with pytest.raises(DataError, match=r"cannot be read as one .*allow_pickle=False"):
        read_matrix(tmp_path / "pickled.npy")
    with pytest.raises(DataError, match="expected one array or a scipy sparse matrix, found 2 arrays: a, b"):
        read_matrix(tmp_path / "two.npz")
