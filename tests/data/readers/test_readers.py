import gzip
import logging

import h5py
import numpy as np
import pandas as pd
import pytest
from mudata import MuData
from scipy import io, sparse

from jamie.core.errors import DataError
from jamie.data.assemble import mudata_conventions
from jamie.data.readers.anndata import AnnDataReader
from jamie.data.readers.mudata import MuDataReader
from jamie.data.readers.simulate_branch import SimulateBranch
from jamie.data.readers.tenx import TenxReader
from jamie.estimator import JAMIE


def write(mdata, path):
    with mudata_conventions():
        mdata.write(path)


# 4 features x 3 barcodes; two genes share a symbol
COUNTS = np.array([[1, 0, 2], [0, 3, 0], [4, 0, 0], [0, 5, 6]])
IDS = ["E1", "E2", "P1", "A1"]
NAMES = ["ACTB", "ACTB", "chr1:1-9", "CD3"]
TYPES = ["Gene Expression", "Gene Expression", "Peaks", "Antibody Capture"]
BARCODES = ["AAA-1", "CCC-1", "GGG-1"]


def write_tenx_h5(path, types=TYPES):
    columns = sparse.csc_matrix(COUNTS)
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        for key in ("data", "indices", "indptr"):
            group[key] = getattr(columns, key)
        group["shape"] = COUNTS.shape
        group["barcodes"] = np.array(BARCODES, dtype="S")
        features = group.create_group("features")
        for key, values in (("id", IDS), ("name", NAMES), ("feature_type", types)):
            features[key] = np.array(values, dtype="S")
    return path


def write_tenx_folder(folder, compressed, version=3):
    folder.mkdir()
    columns = [IDS, NAMES, TYPES] if version == 3 else [IDS, NAMES]
    features = "\n".join("\t".join(row) for row in zip(*columns, strict=True))
    texts = {"features.tsv" if version == 3 else "genes.tsv": features, "barcodes.tsv": "\n".join(BARCODES)}
    io.mmwrite(folder / "matrix.mtx", sparse.coo_matrix(COUNTS))
    if compressed:
        (folder / "matrix.mtx.gz").write_bytes(gzip.compress((folder / "matrix.mtx").read_bytes()))
        (folder / "matrix.mtx").unlink()
    for name, text in texts.items():
        if compressed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
        else:
            (folder / name).write_text(text)
    return folder


def check_tenx(mdata):
    assert list(mdata.mod) == ["rna", "atac", "prot"]
    np.testing.assert_array_equal(mdata["rna"].X.toarray(), COUNTS[:2].T)
    np.testing.assert_array_equal(mdata["atac"].X.toarray(), COUNTS[2:3].T)
    np.testing.assert_array_equal(mdata["prot"].X.toarray(), COUNTS[3:].T)
    assert list(mdata["rna"].var_names) == ["ACTB", "ACTB-1"]
    assert list(mdata["rna"].var["gene_ids"]) == ["E1", "E2"]
    assert list(mdata["prot"].obs_names) == BARCODES
    assert mdata["rna"].X.dtype == np.float32


def test_mudata_returns_what_was_written(mdata, tmp_path):
    write(mdata, tmp_path / "d.h5mu")
    reader = MuDataReader(path=tmp_path / "d.h5mu")
    found = reader.read()
    np.testing.assert_array_equal(found["rna"].X, mdata["rna"].X)
    assert list(found["atac"].obs_names) == list(mdata["atac"].obs_names)
    assert list(found.obs["donor"]) == list(mdata.obs["donor"])
    assert reader.sources() == (tmp_path / "d.h5mu",)


def test_simulated_cells_survive_a_file(tmp_path):
    mdata = SimulateBranch(n_cells=10, n_features=(3, 4), overlap=0.5).read()
    write(mdata, tmp_path / "s.h5mu")
    found = MuDataReader(path=tmp_path / "s.h5mu").read()
    assert list(found["modality2"].obs["cell_type"]) == list(mdata["modality2"].obs["cell_type"])


@pytest.mark.parametrize("whole", [True, False])
def test_a_feature_twice_in_one_modality_and_once_in_another(make, tmp_path, whole):
    rna, prot = make.adata("abcd", 4), make.adata("abcd", 3, seed=1)
    rna.var_names, prot.var_names = ["CD4", "g1", "TBCE", "TBCE"], ["CD4", "p1", "p2"]
    with mudata_conventions():
        mdata = MuData({"rna": rna, "prot": prot})
        mdata.var["length"] = np.arange(7)
        mdata.write(tmp_path / "d.h5mu")
    with h5py.File(tmp_path / "d.h5mu", "a") as file:
        for maps in () if whole else [file["varmap"]]:  # as one version of mudata writes them
            for name, numbers in {name: maps[name][:] for name in maps}.items():
                del maps[name]
                maps[name] = numbers.astype(float)
    found = MuDataReader(path=tmp_path / "d.h5mu").read()
    assert list(found["rna"].var_names) == ["CD4", "g1", "TBCE", "TBCE-1"]
    np.testing.assert_array_equal(found["prot"].X, prot.X)
    assert list(found.var["length"]) == list(range(7))


def test_a_cell_twice_in_a_modality_is_named(make, tmp_path):
    with mudata_conventions():
        MuData({"rna": make.adata("aba", 4), "prot": make.adata("abc", 3)}).write(tmp_path / "d.h5mu")
    with pytest.raises(
        DataError, match=r"d.h5mu, modality 'rna': expected each cell to have a name of .* first is 'a'"
    ):
        MuDataReader(path=tmp_path / "d.h5mu").read()


def test_an_axis_that_shares_cells_and_features_is_read(make, tmp_path):
    with mudata_conventions():
        MuData({"rna": make.adata("abc", 4), "part": make.adata("abc", 2)}, axis=-1).write(tmp_path / "d.h5mu")
    found = MuDataReader(path=tmp_path / "d.h5mu").read()
    assert (found.axis, found["part"].shape) == (-1, (3, 2))


AXIS_1 = r"expected modalities that share cells \(axis 0\), found a MuData of axis 1: one kind of .*\n  they are one"


def test_an_axis_that_shares_features_is_refused(make, tmp_path):
    with mudata_conventions():
        mdata = MuData({"a": make.adata("abc", 4), "b": make.adata("def", 4)}, axis=1)
        mdata.write(tmp_path / "d.h5mu")
    with pytest.raises(DataError, match=r"d.h5mu: " + AXIS_1):
        MuDataReader(path=tmp_path / "d.h5mu").read()
    with pytest.raises(DataError, match=r"fit: " + AXIS_1):
        JAMIE().fit(mdata)


NESTED = r"expected an AnnData for each modality, found a MuData in 'cite'\n  put its modalities beside the others"


def test_a_mudata_within_a_mudata_is_refused(make, tmp_path):
    with mudata_conventions():
        inner = MuData({"rna": make.adata("abc", 4), "prot": make.adata("abc", 3, seed=1)})
        outer = MuData({"cite": inner, "atac": make.adata("abc", 2)})
    with pytest.raises(DataError, match=r"fit: " + NESTED):
        JAMIE().fit(outer)
    write(inner, tmp_path / "d.h5mu")
    with h5py.File(tmp_path / "d.h5mu", "a") as file:
        file["mod"].create_group("cite/mod")
    with pytest.raises(DataError, match=r"d.h5mu: " + NESTED):
        MuDataReader(path=tmp_path / "d.h5mu").read()


def test_what_a_failed_writing_left_is_named(mdata, tmp_path):
    write(mdata, tmp_path / "d.h5mu")
    with h5py.File(tmp_path / "d.h5mu", "a") as file:
        del file["mod/atac"], file["mod"].attrs["mod-order"]
    words = r"expected the modalities atac, rna, found rna: it was not written to its end\n  write it again"
    with pytest.raises(DataError, match=words):
        MuDataReader(path=tmp_path / "d.h5mu").read()


def test_anndata_reads_one_file_for_each_modality(make, tmp_path):
    rna, atac = make.adata("abc", 2), make.adata("bcd", 3)
    rna.X = sparse.csr_matrix(rna.X)
    rna.write(tmp_path / "r.h5ad")
    atac.write(tmp_path / "a.h5ad")
    reader = AnnDataReader(paths={"rna": tmp_path / "r.h5ad", "atac": tmp_path / "a.h5ad"})
    mdata = reader.read()
    assert list(mdata.mod) == ["rna", "atac"]
    assert sparse.issparse(mdata["rna"].X)
    assert list(mdata["atac"].obs_names) == list("bcd")
    assert reader.sources() == (tmp_path / "r.h5ad", tmp_path / "a.h5ad")


def test_repeated_gene_symbols_are_told_apart_with_a_notice(make, tmp_path, caplog):
    adata = make.adata("abc", 3)
    adata.var_names = ["g", "g", "h"]
    adata.write(tmp_path / "r.h5ad")
    with caplog.at_level(logging.WARNING, "jamie"):
        mdata = AnnDataReader(paths={"rna": tmp_path / "r.h5ad"}).read()
    assert list(mdata["rna"].var_names) == ["g", "g-1", "h"]
    assert "modality 'rna': 1 features repeat the name of another (first: 'g')" in caplog.text


def test_repeated_cells_are_refused(make, tmp_path):
    make.adata("aba", 3).write(tmp_path / "r.h5ad")
    with pytest.raises(DataError, match=r"modality 'rna': expected each cell to have a name of its own.*first is 'a'"):
        AnnDataReader(paths={"rna": tmp_path / "r.h5ad"}).read()


def test_no_file_at_all_is_refused():
    with pytest.raises(DataError, match="reader 'anndata', paths: expected a file for each modality, found none"):
        AnnDataReader(paths={}).read()


def test_tenx_h5_is_split_by_feature_type(tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "jamie"):
        mdata = TenxReader(path=write_tenx_h5(tmp_path / "m.h5")).read()
    check_tenx(mdata)
    assert "'ACTB-1'" in caplog.text


@pytest.mark.parametrize("compressed", [True, False])
def test_tenx_folder_is_split_by_feature_type(tmp_path, compressed):
    reader = TenxReader(path=write_tenx_folder(tmp_path / "m", compressed))
    check_tenx(reader.read())
    assert len(reader.sources()) == 3
    assert all(path.is_file() for path in reader.sources())


def test_tenx_folder_of_version_2_is_all_expression(tmp_path):
    mdata = TenxReader(path=write_tenx_folder(tmp_path / "m", False, version=2)).read()
    assert list(mdata.mod) == ["rna"]
    np.testing.assert_array_equal(mdata["rna"].X.toarray(), COUNTS.T)


def test_tenx_modalities_can_be_named_and_others_are_dropped_with_a_notice(tmp_path, caplog):
    path = write_tenx_h5(tmp_path / "m.h5")
    with caplog.at_level(logging.WARNING, "jamie"):
        mdata = TenxReader(path=path, modalities={"Antibody Capture": "adt", "Peaks": "peaks"}).read()
    assert list(mdata.mod) == ["adt", "peaks"]
    assert "2 features of type Gene Expression are dropped" in caplog.text


def test_tenx_without_a_known_type_is_refused(tmp_path):
    path = write_tenx_h5(tmp_path / "m.h5", types=["Custom"] * 4)
    words = r"expected features of type Peaks, found Custom\n  name a modality for each type: modalities: \{Custom: "
    with pytest.raises(DataError, match=words):
        TenxReader(path=path, modalities={"Peaks": "atac"}).read()


@pytest.mark.parametrize("kind", ["CRISPR Guide Capture", "Multiplexing Capture", "Antigen Capture", "My own, custom"])
def test_tenx_of_another_type_alone_has_its_own_name(tmp_path, kind):
    mdata = TenxReader(path=write_tenx_h5(tmp_path / "m.h5", types=[kind] * 4)).read()
    assert list(mdata.mod) == [kind.lower().replace(",", "").replace(" ", "_")]


def test_tenx_types_that_are_dropped_can_all_be_named(tmp_path, caplog):
    path = write_tenx_h5(tmp_path / "m.h5", types=["Gene Expression", "Custom", "Custom", "Antibody Capture"])
    with caplog.at_level(logging.WARNING, "jamie"):
        assert list(TenxReader(path=path).read().mod) == ["rna", "prot"]
    words = "2 features of type Custom are dropped; to keep them, name all: "
    assert words + "modalities: {Gene Expression: rna, Antibody Capture: prot, Custom: custom}" in caplog.text


def write_genomes_of_version_2(path, other_cells=BARCODES):
    with h5py.File(path, "w") as file:
        for genome, barcodes in (("hg19", BARCODES), ("mm10", other_cells)):
            group, columns = file.create_group(genome), sparse.csc_matrix(COUNTS[:2])
            for key in ("data", "indices", "indptr"):
                group[key] = getattr(columns, key)
            group["shape"] = columns.shape
            for key, words in (("barcodes", barcodes), ("genes", IDS[:2]), ("gene_names", ["ACTB", "CD4"])):
                group[key] = np.array(words, "S")
    return path


def test_tenx_genomes_keep_apart(tmp_path):
    path = write_genomes_of_version_2(tmp_path / "m.h5")
    rna = TenxReader(path=path).read()["rna"]
    assert list(rna.var_names) == ["hg19_ACTB", "hg19_CD4", "mm10_ACTB", "mm10_CD4"]
    assert list(rna.var["genome"]) == ["hg19", "hg19", "mm10", "mm10"]
    np.testing.assert_array_equal(rna.X.toarray(), np.hstack([COUNTS[:2].T] * 2))
    assert list(TenxReader(path=path, genome="mm10").read()["rna"].var_names) == ["ACTB", "CD4"]
    with pytest.raises(DataError, match=r"expected the genome 'mm9', found hg19, mm10\n  available: hg19, mm10"):
        TenxReader(path=path, genome="mm9").read()


def test_tenx_genomes_of_other_cells_are_refused(tmp_path):
    path = write_genomes_of_version_2(tmp_path / "m.h5", ["AAA-1", "CCC-1", "TTT-1"])
    words = r"same cells for every genome, found 3 and 3 for hg19 and mm10, .*differ\n  choose one: genome: hg19"
    with pytest.raises(DataError, match=words):
        TenxReader(path=path).read()


def test_tenx_folder_of_folders_names_them(tmp_path):
    write_tenx_folder(tmp_path / "GRCh38", False, version=2)
    with pytest.raises(DataError, match=r"found GRCh38\n  give the folder of a matrix itself: GRCh38"):
        TenxReader(path=tmp_path).read()


def test_tenx_parts_that_do_not_fit_are_refused(tmp_path):
    folder = write_tenx_folder(tmp_path / "m", False)
    (folder / "barcodes.tsv").write_text("AAA-1\n")
    with pytest.raises(DataError, match="expected a matrix of 4 features x 1 barcodes, found 4 x 3"):
        TenxReader(path=folder).read()


def test_tenx_folder_without_its_files_is_refused(tmp_path):
    (tmp_path / "other.txt").write_text("x")
    with pytest.raises(DataError, match=r"expected matrix.mtx.gz \(or matrix.mtx\), found other.txt"):
        TenxReader(path=tmp_path).read()


def test_tenx_of_another_format_names_the_reader_that_fits(mdata, make, tmp_path):
    write(mdata, tmp_path / "d.h5mu")
    make.adata("abc", 2).write(tmp_path / "d.h5ad")
    with pytest.raises(DataError, match=r"(?s)expected a 10x matrix.*h5mu file: use \{mudata"):
        TenxReader(path=tmp_path / "d.h5mu").read()
    with pytest.raises(DataError, match=r"(?s)expected a 10x matrix.*h5ad file: use \{anndata"):
        TenxReader(path=tmp_path / "d.h5ad").read()
    with pytest.raises(DataError, match=r"(?s)expected a MuData file.*h5ad file: use \{anndata"):
        MuDataReader(path=tmp_path / "d.h5ad").read()
    with pytest.raises(DataError, match=r"(?s)expected a MuData file.*10x file: use \{tenx"):
        MuDataReader(path=write_tenx_h5(tmp_path / "m.h5")).read()
    with pytest.raises(DataError, match=r"(?s)expected an AnnData file.*h5mu file: use \{mudata"):
        AnnDataReader(paths={"rna": tmp_path / "d.h5mu"}).read()


READERS = {
    "mudata": lambda path: MuDataReader(path=path),
    "anndata": lambda path: AnnDataReader(paths={"rna": path}),
    "tenx": lambda path: TenxReader(path=path),
}


@pytest.mark.parametrize("reader", READERS)
def test_files_that_cannot_be_read_are_named(reader, tmp_path, mdata):
    absent, empty, text = tmp_path / "absent", tmp_path / "empty", tmp_path / "text"
    empty.touch()
    text.write_text("a,b\n1,2\n")
    for path, message in ((absent, "found no such file"), (empty, "found an empty file"), (text, "that is not HDF5")):
        with pytest.raises(DataError, match=rf"(?s){path.name}: expected an? .*{message}.*\n  \w"):
            READERS[reader](path).read()


@pytest.mark.parametrize("reader", ["mudata", "anndata"])
def test_a_folder_is_no_file(reader, tmp_path):
    with pytest.raises(DataError, match=r"expected an? .*, found a folder\n  give the path of the file itself"):
        READERS[reader](tmp_path).read()


def test_a_file_cut_short_is_named(mdata, tmp_path):
    write(mdata, tmp_path / "d.h5mu")
    whole = (tmp_path / "d.h5mu").read_bytes()
    (tmp_path / "d.h5mu").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"(?s)d.h5mu: expected a MuData.*cannot be read as one \(OSError: .*cut short"):
        MuDataReader(path=tmp_path / "d.h5mu").read()


def test_a_damaged_group_is_named(mdata, tmp_path):
    write(mdata, tmp_path / "d.h5mu")
    with h5py.File(tmp_path / "d.h5mu", "a") as file:
        del file["mod/rna/obs"]
        file["mod/rna/obs"] = pd.DataFrame({"x": [1]}).to_numpy()
    with pytest.raises(
        DataError,
        match=r"d.h5mu: expected a MuData file.*cannot be read as one(.|\n)*\n  it opens, but its content does",
    ):
        MuDataReader(path=tmp_path / "d.h5mu").read()
