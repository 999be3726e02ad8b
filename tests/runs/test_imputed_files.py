"""Imputed values in memory, and in files that were written a block of cells at a time."""

import logging
import re

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest

from jamie.core import imputation as core
from jamie.core.context import Context
from jamie.core.errors import MemoryLimitError, OutputError
from jamie.core.imputation import ImputedChunk, LazyImputation
from jamie.runs import imputed_files
from jamie.runs.imputed_files import imputed_anndata, save_imputed

N, P = 53, 7
VALUES = np.random.default_rng(0).normal(size=(3, N, P)).astype(np.float32)


@pytest.fixture
def imputed():
    obs = pd.DataFrame({"type": ["T", "B"] * 26 + ["T"], "age": range(N)}, index=[f"cell{i}" for i in range(N)])
    var = pd.DataFrame({"imputability": np.linspace(0, 1, P)}, index=[f"gene{j}" for j in range(P)])

    def rows(some):
        distance = np.arange(N, dtype=np.float32)[some]
        return ImputedChunk(VALUES[0][some], {"sd": VALUES[1][some], "lower": VALUES[2][some]}, {"distance": distance})

    return LazyImputation(obs, var, ("sd", "lower"), {"source": "rna", "target": "protein"}, rows)


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of 8 cells, in chunks of 4 cells and 4 features."""
    monkeypatch.setattr(core, "_BLOCK_VALUES", 8 * P + 1)
    monkeypatch.setattr(core, "_CHUNK", 4)


def require_all(found, imputed):
    np.testing.assert_array_equal(found.X, VALUES[0])
    np.testing.assert_array_equal(found.layers["sd"], VALUES[1])
    np.testing.assert_array_equal(found.layers["lower"], VALUES[2])
    assert found.X.dtype == found.layers["sd"].dtype == np.float32
    assert list(found.obs_names) == list(imputed.obs.index)
    assert found.obs["type"].astype(str).tolist() == imputed.obs["type"].tolist()
    np.testing.assert_array_equal(found.obs["distance"], np.arange(N))
    pd.testing.assert_frame_equal(found.var, imputed.var)
    assert found.uns["jamie"] == {"source": "rna", "target": "protein"}


@pytest.mark.parametrize("name", ["values.h5ad", "values.zarr"])
@pytest.mark.parametrize("compression", [None, "gzip"])
def test_a_file_holds_what_is_computed_in_memory(imputed, name, compression, tmp_path, small_blocks):
    save_imputed(imputed, tmp_path / name, Context(), compression)
    read = anndata.read_h5ad if name.endswith("h5ad") else anndata.read_zarr
    require_all(read(tmp_path / name), imputed)
    require_all(imputed_anndata(imputed, Context()), imputed)
    assert "distance" not in imputed.obs  # inputs are left alone


def test_a_file_opens_without_being_read(imputed, tmp_path, small_blocks):
    save_imputed(imputed, tmp_path / "values.h5ad", Context())
    backed = anndata.read_h5ad(tmp_path / "values.h5ad", backed="r")
    assert backed.isbacked
    np.testing.assert_array_equal(backed.X[3:9], VALUES[0][3:9])
    assert backed.X.chunks == (4, 4)
    backed.file.close()


def test_blocks_are_whole_chunks_and_cover_the_cells(imputed, small_blocks):
    assert [(b.start, b.stop) for b in imputed.blocks()] == [(i, min(i + 8, N)) for i in range(0, N, 8)]


def test_of_very_many_features_a_block_has_few_cells():
    wide = LazyImputation(pd.DataFrame(index=range(100)), pd.DataFrame(index=range(2**20)), (), {}, None)
    assert wide.block_rows == 16
    assert wide.chunks == (16, 1024)


def test_progress_is_told_by_cells(imputed, tmp_path, small_blocks, caplog):
    told = []
    context = Context(progress=lambda *arguments: told.append(arguments))
    with caplog.at_level(logging.INFO, "jamie"):
        save_imputed(imputed, tmp_path / "values.h5ad", context)
    assert told[0] == ("impute", 8, N, {})
    assert told[-1] == ("impute", N, N, {})
    assert "53 cells x 7 features, 0.0 GiB, in 7 blocks of 8 cells" in caplog.text


def test_what_does_not_fit_in_memory_is_refused_with_a_way_out(imputed):
    assert imputed.n_bytes == 4 * N * P * 3
    imputed_anndata(imputed, Context(memory_limit=imputed.n_bytes))
    words = (
        r"impute: 53 cells x 7 features with sd, lower would need .* GiB.*\n  choose features, .*out='FILE.h5ad'\), "
    )
    with pytest.raises(MemoryLimitError, match=words + "or jamie impute --out"):
        imputed_anndata(imputed, Context(memory_limit=imputed.n_bytes - 1))


def test_too_little_room_is_told_before_anything_is_computed(imputed, tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 100})
    monkeypatch.setattr(imputed_files.shutil, "disk_usage", lambda path: usage)
    words = r"the file would take .* GiB, and .* GiB are free\n  choose features, another place, or .zarr"
    with pytest.raises(OutputError, match=re.escape(str(tmp_path)) + ": " + words):
        save_imputed(imputed, tmp_path / "values.h5ad", Context())
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_is_told(imputed, tmp_path, monkeypatch):
    def full(self, *arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(h5py.Dataset, "__setitem__", full)
    with pytest.raises(OutputError, match=r"values.h5ad: cannot be written \(.*No space left on device"):
        save_imputed(imputed, tmp_path / "values.h5ad", Context())
