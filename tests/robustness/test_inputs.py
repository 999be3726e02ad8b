"""Damaged files of every format: each is refused with its place, what was expected and what was found."""

import gzip
import shutil

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from mudata import MuData
from scipy import sparse
from scipy.io import mmwrite

from jamie.core.context import Context
from jamie.core.errors import DataError, MemoryLimitError
from jamie.core.memory import free_memory, group_limits, physical_memory
from jamie.data.assemble import mudata_conventions
from jamie.data.backed import backed_cells
from jamie.data.blocks import choose_block, choose_matrix
from jamie.data.readers.anndata import AnnDataReader
from jamie.data.readers.mudata import MuDataReader
from jamie.data.readers.simulate_branch import SimulateBranch
from jamie.data.readers.simulate_pairs import SimulatePairs
from jamie.data.readers.simulate_regulatory import SimulateRegulatory
from jamie.data.storage.matrices import read_frame, read_matrix, read_names


def cells():
    """Twenty cells of six features, sparse."""
    X = sparse.csr_matrix(np.random.default_rng(0).poisson(0.8, size=(20, 6)).astype(np.float32))
    names = [f"cell{i}" for i in range(20)]
    return anndata.AnnData(X, obs=pd.DataFrame(index=names), var=pd.DataFrame(index=[f"g{j}" for j in range(6)]))


DAMAGE = {
    "past the last feature": ("indices", 3, 6, "expected positions from 0 to 5, found 6"),
    "far outside": ("indices", 3, 2**30, "expected positions from 0 to 5, found 1073741824"),
    "negative": ("indices", 3, -1, "expected positions from 0 to 5, found -1"),
    "rows that overlap": ("indptr", 5, 60, "expected indptr that rises from 0 to "),
    "late start": ("indptr", 0, 2, "expected indptr that rises from 0 to "),
    "past the end": ("indptr", 20, 2**30, "expected indptr that rises from 0 to "),
}


@pytest.fixture(params=DAMAGE, ids=str)
def damage(request):
    """What is wrong with a sparse matrix: the array, the place in it, the value, and what is said of it."""
    return DAMAGE[request.param]


def write(folder, adata, suffix):
    """Write AnnData or MuData by the ending of the name; return the path and the group of X."""
    path = folder / f"cells{suffix}"
    with mudata_conventions():
        if suffix == ".h5ad":
            adata.write_h5ad(path)
        elif suffix == ".zarr":
            adata.write_zarr(path)
        else:
            MuData({"rna": adata}).write_h5mu(path)
    return path, "mod/rna/X" if suffix == ".h5mu" else "X"


def spoil(path, group, array, at, value):
    """Change one number of a file."""
    if path.is_dir():
        import zarr

        zarr.open_group(path, mode="r+")[f"{group}/{array}"][at] = value
    else:
        with h5py.File(path, "r+") as file:
            file[f"{group}/{array}"][at] = value


@pytest.mark.parametrize("suffix", [".h5ad", ".h5mu", ".zarr"])
def test_wrong_positions_in_a_file(tmp_path, damage, suffix):
    array, at, value, message = damage
    path, group = write(tmp_path, cells(), suffix)
    spoil(path, group, array, at, value)
    reader = MuDataReader(path=path) if suffix == ".h5mu" else AnnDataReader(paths={"rna": path})
    with pytest.raises(DataError, match=f"^{path}, /{group}: {message}"):
        reader.read()


def test_wrong_positions_in_a_file_that_stays_there(tmp_path, damage):
    array, at, value, message = damage
    path, group = write(tmp_path, cells(), ".h5ad")
    spoil(path, group, array, at, value)
    with pytest.raises(DataError, match=message), backed_cells(path, None) as adata:
        choose_matrix(adata).read(slice(0, 20))


def test_wrong_positions_in_npz(tmp_path, damage):
    array, at, value, message = damage
    X = cells().X
    parts = {"data": X.data, "indices": X.indices.copy(), "indptr": X.indptr.copy()}
    parts[array][at] = value
    np.savez(tmp_path / "cells.npz", format=b"csr", shape=X.shape, **parts)
    with pytest.raises(DataError, match=rf"cells\.npz: ({message}|.* cannot be read as one)"):
        read_matrix(tmp_path / "cells.npz")


def test_wrong_positions_in_memory_are_refused_and_left_as_they_are(damage):
    array, at, value, message = damage
    adata = cells()
    getattr(adata.X, array)[at] = value
    with pytest.raises(DataError, match=f"{message}.*, in X"):
        choose_block(adata)
    assert getattr(adata.X, array)[at] == value


def test_sound_matrices_are_read_as_they_are(tmp_path):
    adata = cells()
    adata.layers["columns"] = sparse.csc_matrix(adata.X)
    path, _ = write(tmp_path, adata, ".h5ad")
    read = AnnDataReader(paths={"rna": path}).read()["rna"]
    np.testing.assert_array_equal(read.X.toarray(), adata.X.toarray())
    np.testing.assert_array_equal(read.layers["columns"].toarray(), adata.X.toarray())


@pytest.mark.parametrize("suffix", [".h5ad", ".h5mu"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_hdf5_that_is_cut_short(tmp_path, suffix, share):
    path, _ = write(tmp_path, cells(), suffix)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    reader = MuDataReader(path=path) if suffix == ".h5mu" else AnnDataReader(paths={"rna": path})
    with pytest.raises(DataError, match="found a file that"):
        reader.read()


@pytest.mark.parametrize(("array", "message"), [("indptr", "rises from 0 to"), ("data", "cannot be read")])
def test_zarr_whose_chunks_are_missing_or_cut(tmp_path, array, message):
    path, _ = write(tmp_path, cells(), ".zarr")
    files = [one for one in (path / "X" / array).rglob("*") if one.is_file()]
    for chunk in [one for one in files if one.name != "zarr.json" and not one.name.startswith(".z")]:
        chunk.unlink() if array == "indptr" else chunk.write_bytes(chunk.read_bytes()[:3])
    with pytest.raises(DataError, match=message):
        AnnDataReader(paths={"rna": path}).read()


class TestMatrixMarket:
    def read(self, folder, text, compressed=False):
        path = folder / ("cells.mtx.gz" if compressed else "cells.mtx")
        path.write_bytes(gzip.compress(text.encode()) if compressed else text.encode())
        return read_matrix(path)

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ("2 2 2\n1 1 1,5\n2 2 2,5\n", "expected numbers with a decimal point, found '1 1 1,5'"),
            ("2 2 3\n1 1 1.5\n2 2 2.5\n", "cannot be read as one"),
            ("2 2 1\n1 1 1.5\n2 2 2.5\n", "cannot be read as one"),
            ("2 2 1\n3 1 1.5\n", "Row index out of bounds"),
            ("2 2 900000000000\n1 1 1\n", "expected 900,000,000,000 entries or more, as its header says"),
            ("2 two 1\n1 1 1\n", "and a line of rows, columns and entries, found"),
        ],
        ids=["decimal comma", "too few", "too many", "outside", "promised", "no sizes"],
    )
    def test_damage(self, tmp_path, body, message):
        with pytest.raises(DataError, match=message):
            self.read(tmp_path, "%%MatrixMarket matrix coordinate real general\n% a, b\n" + body)

    @pytest.mark.parametrize("compressed", [False, True])
    def test_a_header_that_promises_more_than_memory_holds(self, tmp_path, compressed):
        text = f"%%MatrixMarket matrix coordinate real general\n{10**15} 2 1\n1 1 1\n"
        with pytest.raises(MemoryLimitError, match=r"reading .*cells\.mtx"):
            self.read(tmp_path, text, compressed)

    def test_sound_files_are_read(self, tmp_path):
        for name, X in {"sparse.mtx": cells().X, "dense.mtx": cells().X.toarray()}.items():
            mmwrite(tmp_path / name, X)
            found = read_matrix(tmp_path / name).X
            np.testing.assert_array_equal(found.toarray() if sparse.issparse(found) else found, cells().X.toarray())

    def test_gzip_that_is_cut_short(self, tmp_path):
        mmwrite(tmp_path / "whole.mtx", cells().X)
        content = gzip.compress((tmp_path / "whole.mtx").read_bytes())
        (tmp_path / "cells.mtx.gz").write_bytes(content[: len(content) // 2])
        with pytest.raises(DataError, match="cannot be read as one"):
            read_matrix(tmp_path / "cells.mtx.gz")


@pytest.mark.parametrize("compressed", [False, True])
def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path, compressed):
    path = tmp_path / ("a.csv.gz" if compressed else "a.csv")
    text = "\ufeffcell,g1,g2\nc1,1,2\nc2,3,4\n".encode()
    path.write_bytes(gzip.compress(text) if compressed else text)
    assert list(read_matrix(path).columns) == ["g1", "g2"]
    assert list(read_names(path, 2, "cells")) == ["c1", "c2"]
    assert list(read_frame(path, "a table").columns) == ["cell", "g1", "g2"]


class TestMemory:
    def test_files_that_would_not_fit(self, tmp_path):
        for suffix, reader in ((".h5mu", MuDataReader), (".h5ad", lambda path: AnnDataReader(paths={"rna": path}))):
            path, _ = write(tmp_path, cells(), suffix)
            with pytest.raises(MemoryLimitError, match=f"reading {path} would need"):
                reader(path=path).read(Context(memory_limit=100))
            assert reader(path=path).read(Context(memory_limit=2**20)).n_obs == 20

    @pytest.mark.parametrize("reader", [SimulateBranch, SimulatePairs, SimulateRegulatory])
    def test_cells_that_would_not_fit(self, reader):
        with pytest.raises(MemoryLimitError, match=rf"the cells of reader '{reader.name}' would need .* GiB"):
            reader(n_cells=10**12).read()

    def test_the_least_of_what_is_free_and_what_is_allowed(self, tmp_path):
        assert 0 < free_memory() <= physical_memory()
        own = tmp_path / "cgroup"
        for version, line, (limit, used, cache) in (
            (2, "0::/job/step", ("memory.max", "memory.current", "inactive_file")),
            (1, "4:cpu,memory:/job/step", ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")),
        ):
            own.write_text(f"3:pids:/other\n{line}\n")
            root = tmp_path / f"v{version}" / ("memory" if version == 1 else "")
            (root / "job" / "step").mkdir(parents=True)
            (root / "job" / limit).write_text("5000\n")
            (root / "job" / used).write_text("3000\n")
            (root / "job" / "memory.stat").write_text(f"anon 7\n{cache} 1000\n")
            (root / "job" / "step" / limit).write_text("max\n" if version == 2 else "9000\n")
            found = list(group_limits(tmp_path / f"v{version}", own))
            assert found == ([(5000, 2000)] if version == 2 else [(5000, 2000), (9000, 0)])
            shutil.rmtree(root)
