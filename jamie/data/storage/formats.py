"""What a file or folder holds, told from what is in it: for errors that say which reader fits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jamie.core.files import is_zarr

MATRIX_MARKET = ("matrix.mtx.gz", "matrix.mtx")
_TABLES = (".csv", ".tsv", ".npy", ".npz", ".mtx")


@dataclass(frozen=True)
class Format:
    """A format of files that hold cells.

    Parameters
    ----------
    expected
        What a reader of it says that it expected.
    looks
        What a file and a zarr folder of it look like.
    use
        What to do with one.
    fits
        Whether an HDF5 file or a zarr folder is of it.
    """

    expected: str
    looks: tuple[str, str]
    use: str
    fits: Callable[[Any], bool]


def genomes(store: Any) -> list[str]:
    """Names of the groups of a .h5 of Cell Ranger 2, one for each genome."""
    return [name for name in store if "shape" in _keys(store[name]) and "genes" in _keys(store[name])]


def _keys(element: Any) -> Any:
    return element if hasattr(element, "keys") else ()


MUDATA = Format(
    "a MuData file (.h5mu or .zarr)",
    ("an .h5mu file", "a .zarr folder of MuData"),
    "use {mudata: {path: FILE}}",
    lambda store: "mod" in store,
)
ANNDATA = Format(
    "an AnnData file (.h5ad or .zarr)",
    ("an .h5ad file", "a .zarr folder of AnnData"),
    "use {anndata: {paths: {rna: FILE, ...}}}, one file per modality",
    lambda store: "obs" in store and "mod" not in store,
)
LOOM = Format(
    "a loom file",
    ("a loom file", "a loom file"),
    "convert it: anndata.io.read_loom(FILE).write_h5ad('FILE.h5ad'), and use {anndata: {paths: {rna: FILE.h5ad}}}",
    lambda store: "row_attrs" in store,
)
MOLECULES = Format(
    "a 10x file of molecules",
    ("a 10x file of molecules, before they are counted",) * 2,
    "give filtered_feature_bc_matrix.h5: {tenx: {path: FILE}}",
    lambda store: "barcode_idx" in store,
)
TENX = Format(
    "a 10x matrix (.h5 or folder)",
    ("a 10x file", "a 10x folder"),
    "use {tenx: {path: FILE}}",
    lambda store: "barcodes" in _keys(store.get("matrix")) or bool(genomes(store)),
)
FORMATS = (MUDATA, ANNDATA, LOOM, MOLECULES, TENX)


def advice(path: Path, expected: str) -> str:
    """Say what to do with a file or folder that is not what a reader expected; empty where nothing better is known."""
    found = format_of(path)
    if found is not None:
        return "" if found.expected == expected else f"this looks like {found.looks[path.is_dir()]}: {found.use}"
    plain = path.with_suffix("") if path.suffix == ".gz" else path
    if path.is_file() and plain.suffix in _TABLES and "matrix" not in expected:
        return f"a {plain.suffix} file is read by {{table: {{paths: {{rna: FILE, ...}}}}}}, one file per modality"
    return ""


def format_of(path: Path) -> Format | None:
    """Tell the format of a file or folder; None where it is absent, cannot be opened or is of another."""
    import h5py

    if path.is_dir() and not is_zarr(path):
        return TENX if any((path / name).is_file() for name in MATRIX_MARKET) else None
    try:
        if path.is_dir():
            import zarr

            return _first_that_fits(zarr.open_group(path, mode="r"))
        with h5py.File(path) as file:
            return _first_that_fits(file)
    except Exception:  # it cannot be opened, which is for the caller to say
        return None


def _first_that_fits(store: Any) -> Format | None:
    return next((one for one in FORMATS if one.fits(store)), None)
