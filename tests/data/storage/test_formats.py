"""One small data set, written in every format that the installed packages write, is read back the same."""

import gzip
import json

import anndata
import h5py
import mudata
import numpy as np
import pandas as pd
import pytest
import zarr
from anndata import AnnData
from scipy import io, sparse

from jamie.core.errors import DataError
from jamie.data.assemble import mudata_conventions
from jamie.data.backed import backed_cells
from jamie.data.readers.anndata import AnnDataReader
from jamie.data.readers.mudata import MuDataReader
from jamie.data.readers.table import TableReader
from jamie.data.readers.tenx import TenxReader
from jamie.data.storage.formats import MUDATA, reader_advice

CELLS = [f"cell-{i}" for i in range(5)]
FEATURES = {"rna": ["ACTB", "CD4", "GAPDH"], "prot": ["CD4", "CD8"]}  # one name in both
TYPES = {"rna": "Gene Expression", "prot": "Antibody Capture"}


def modalities(**obs):
    counts = np.arange(25, dtype=np.float32).reshape(5, 5) % 7
    parts = {"rna": counts[:, :3], "prot": counts[:, 3:]}
    made = {}
    for name, X in parts.items():
        frame = pd.DataFrame(obs, index=CELLS)
        made[name] = AnnData(sparse.csr_matrix(X), obs=frame, var=pd.DataFrame(index=FEATURES[name]))
    return made


def annotated():
    made = modalities(cell_type=pd.Categorical(list("ababa")), depth=np.arange(5.0))
    made["rna"].obsm["scores"] = pd.DataFrame({"s": np.arange(5.0), "group": list("xyxyx")}, index=CELLS)
    made["rna"].uns["genome"] = {"name": "GRCh38"}
    made["rna"].var["symbol"] = ["x", "y", "z"]
    return made


def one_mudata():
    with mudata_conventions():
        mdata = mudata.MuData(annotated())
    mdata.obs["donor"] = list("ppqqr")
    mdata.var["length"] = np.arange(5)
    mdata.obsm["X_umap"] = np.arange(10.0).reshape(5, 2)
    mdata.uns["title"] = "five cells"
    return mdata


@pytest.fixture
def zarr_format(request, monkeypatch):
    before = anndata.settings.zarr_write_format
    anndata.settings.zarr_write_format = request.param
    yield request.param
    anndata.settings.zarr_write_format = before


def write_mudata(path, consolidated):
    with mudata_conventions():
        mdata = one_mudata()
        mdata.write_zarr(path) if path.suffix == ".zarr" else mdata.write_h5mu(path)
    if consolidated:
        zarr.consolidate_metadata(path)


def without_consolidated(path):
    """Write a zarr folder anew without the metadata of all in one place."""
    (path / ".zmetadata").unlink(missing_ok=True)
    if (path / "zarr.json").is_file():
        described = json.loads((path / "zarr.json").read_text())
        described.pop("consolidated_metadata", None)
        (path / "zarr.json").write_text(json.dumps(described))


def same(found, name, expected):
    np.testing.assert_array_equal(found[name].X.toarray(), expected[name].X.toarray())
    assert list(found[name].obs_names) == CELLS
    assert list(found[name].var_names) == FEATURES[name]
    for column in expected[name].obs:
        assert list(found[name].obs[column]) == list(expected[name].obs[column])


pytestmark = pytest.mark.filterwarnings("ignore:zarr v3 will become the only option:DeprecationWarning")
ZARR = pytest.mark.parametrize("zarr_format", [2, 3], indirect=True)


@pytest.mark.parametrize("consolidated", [True, False])
@ZARR
def test_mudata_as_zarr(tmp_path, zarr_format, consolidated):
    write_mudata(tmp_path / "d.zarr", consolidated)
    whole(MuDataReader(path=tmp_path / "d.zarr").read())


def test_mudata_as_h5mu(tmp_path):
    write_mudata(tmp_path / "d.h5mu", consolidated=False)
    whole(MuDataReader(path=tmp_path / "d.h5mu").read())


def whole(found):
    for name in FEATURES:
        same(found, name, annotated())
    assert list(found.mod) == ["rna", "prot"]
    assert list(found.obs["donor"]) == list("ppqqr")
    assert list(found.var["length"]) == list(range(5))
    np.testing.assert_array_equal(found.obsm["X_umap"], np.arange(10).reshape(5, 2))
    assert found.uns["title"] == "five cells"
    assert list(found["rna"].obsm["scores"]["group"]) == list("xyxyx")
    assert found["rna"].uns["genome"]["name"] == "GRCh38"


@pytest.mark.parametrize("consolidated", [True, False])
@ZARR
def test_anndata_as_zarr(tmp_path, zarr_format, consolidated):
    paths = {name: tmp_path / f"{name}.zarr" for name in FEATURES}
    for name, adata in annotated().items():
        adata.write_zarr(paths[name])
        if not consolidated:
            without_consolidated(paths[name])
    found = AnnDataReader(paths=paths).read()
    for name in FEATURES:
        same(found, name, annotated())
        with backed_cells(paths[name], name) as adata:
            assert list(adata.obs["cell_type"]) == list("ababa")
            assert list(adata.var_names) == FEATURES[name]


def test_anndata_as_h5ad(tmp_path):
    paths = {name: tmp_path / f"{name}.h5ad" for name in FEATURES}
    for name, adata in annotated().items():
        adata.write_h5ad(paths[name])
    for name in FEATURES:
        same(AnnDataReader(paths=paths).read(), name, annotated())


def tenx_h5(path, version):
    made = modalities()
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix" if version > 2 else "GRCh38")
        chosen = list(made) if version > 2 else ["rna"]
        names = [feature for name in chosen for feature in FEATURES[name]]
        X = sparse.hstack([made[name].X for name in chosen], format="csr")
        for key in ("data", "indices", "indptr"):
            group[key] = getattr(X, key)
        group["shape"] = X.shape[::-1]
        group["barcodes"] = np.array(CELLS, "S")
        if version == 2:
            group["genes"], group["gene_names"] = np.array([f"E{n}" for n in names], "S"), np.array(names, "S")
            return
        features = group.create_group("features")
        types = [TYPES[name] for name in chosen for _ in FEATURES[name]]
        for key, values in (("id", [f"E{n}" for n in names]), ("name", names), ("feature_type", types)):
            features[key] = np.array(values, "S")


def tenx_folder(folder, columns, compressed):
    folder.mkdir()
    made = modalities()
    chosen = list(made) if columns > 2 else ["rna"]
    X = sparse.hstack([made[name].X for name in chosen])
    rows = [[f"E{n}", n, TYPES[name], "chr1", "10", "20"] for name in chosen for n in FEATURES[name]]
    io.mmwrite(folder / "matrix.mtx", X.T)
    (folder / "barcodes.tsv").write_text("\n".join(CELLS))
    (folder / ("features.tsv" if compressed or columns > 2 else "genes.tsv")).write_text(
        "\n".join("\t".join(row[:columns]) for row in rows)
    )
    for path in list(folder.iterdir()) if compressed else []:
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()


@pytest.mark.parametrize("version", [2, 3])
def test_tenx_as_h5(tmp_path, version):
    tenx_h5(tmp_path / "m.h5", version)
    found = TenxReader(path=tmp_path / "m.h5").read()
    assert list(found.mod) == (["rna", "prot"] if version == 3 else ["rna"])
    for name in found.mod:
        same(found, name, modalities())


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("columns", [2, 3, 6])
def test_tenx_as_folder(tmp_path, columns, compressed):
    tenx_folder(tmp_path / "m", columns, compressed)
    found = TenxReader(path=tmp_path / "m").read()
    assert list(found.mod) == (["rna", "prot"] if columns > 2 else ["rna"])
    for name in found.mod:
        same(found, name, modalities())
    assert (columns == 6) == ("interval" in found["rna"].var)


def made_of_each(folder):
    """A file or folder of every format, by what is to be said of it."""
    write_mudata(folder / "d.h5mu", consolidated=False)
    write_mudata(folder / "d.zarr", consolidated=False)
    annotated()["rna"].write_h5ad(folder / "d.h5ad")
    annotated()["rna"].write_zarr(folder / "a.zarr")
    tenx_h5(folder / "v2.h5", 2)
    tenx_h5(folder / "v3.h5", 3)
    tenx_folder(folder / "m", 3, True)
    return {
        "d.h5mu": "this looks like an .h5mu file: use {mudata: {path: FILE}}",
        "d.zarr": "this looks like a .zarr folder of MuData: use {mudata: {path: FILE}}",
        "d.h5ad": "this looks like an .h5ad file: use {anndata: {paths: {rna: FILE, ...}}}, one file per modality",
        "a.zarr": "this looks like a .zarr folder of AnnData: use {anndata: {paths: {rna: FILE, ...}}}",
        "v2.h5": "this looks like a 10x file: use {tenx: {path: FILE}}",
        "v3.h5": "this looks like a 10x file: use {tenx: {path: FILE}}",
        "m": "this looks like a 10x folder: use {tenx: {path: FILE}}",
    }


READS = {"mudata": ("d.h5mu", "d.zarr"), "anndata": ("d.h5ad", "a.zarr"), "tenx": ("v2.h5", "v3.h5", "m"), "table": ()}


def test_every_other_reader_says_which_one_fits(tmp_path):
    readers = {
        "mudata": lambda path: MuDataReader(path=path),
        "anndata": lambda path: AnnDataReader(paths={"rna": path}),
        "tenx": lambda path: TenxReader(path=path),
        "table": lambda path: TableReader(paths={"rna": path, "prot": path}),
    }
    for name, words in made_of_each(tmp_path).items():
        for reader, read in readers.items():
            if name in READS[reader] or (reader == "table" and name.startswith(("d.h5", "v"))):
                continue  # the reader of tables refuses other endings first
            with pytest.raises(DataError) as refused:
                read(tmp_path / name).read()
            assert words in str(refused.value), (reader, name)


@pytest.mark.parametrize(
    ("group", "words"),
    [
        ("row_attrs", "this looks like a loom file: convert it: anndata.io.read_loom"),
        ("barcode_idx", "a 10x file of molecules, before they are counted: give filtered_feature_bc_matrix.h5"),
    ],
)
def test_formats_that_no_reader_has(tmp_path, group, words):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_group(group)
    with pytest.raises(DataError, match=f"expected a 10x matrix .*, found HDF5 with {group}\n  .*{words}"):
        TenxReader(path=tmp_path / "x.h5").read()


def test_a_text_file_is_for_the_reader_of_tables(tmp_path):
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n"))
    words = r"is not HDF5\n  a .csv file is read by \{table: \{paths: \{rna: FILE, ...\}\}\}, one file per modality"
    with pytest.raises(DataError, match=words):
        MuDataReader(path=tmp_path / "x.csv.gz").read()


def test_nothing_is_said_of_what_is_not_known(tmp_path):
    (tmp_path / "x").write_text("text")
    assert reader_advice(tmp_path / "x", MUDATA.expected) == ""
    assert reader_advice(tmp_path, MUDATA.expected) == ""


def test_a_folder_that_is_no_zarr(tmp_path):
    (tmp_path / "x.zarr").mkdir()
    with pytest.raises(DataError, match=r"found a folder\n  it lacks .zgroup or zarr.json: write or copy it again"):
        MuDataReader(path=tmp_path / "x.zarr").read()
