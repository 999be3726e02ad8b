"""The format of a file or folder, detected from its content: for errors that name the reader that fits."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
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
        What a reader of it calls it in errors.
    looks
        What a file and a zarr folder of it look like.
    use
        How to read one.
    fits
        Whether an HDF5 file or a zarr folder is of it.
    """

    expected: str
    looks: tuple[str, str]
    use: str
    fits: Callable[[Any], bool]


def genome_groups(store: Any) -> list[str]:
    """Names of the groups of a .h5 file of Cell Ranger 2, one for each genome."""
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
    lambda store: "barcodes" in _keys(store.get("matrix")) or bool(genome_groups(store)),
)
FORMATS = (MUDATA, ANNDATA, LOOM, MOLECULES, TENX)


def reader_advice(path: Path, expected: str) -> str:
    """Say which reader fits a file or folder that is not what was expected; empty where none is known."""
    detected = detect_format(path)
    if detected is not None:
        return (
            "" if detected.expected == expected else f"this looks like {detected.looks[path.is_dir()]}: {detected.use}"
        )
    plain = path.with_suffix("") if path.suffix == ".gz" else path
    if path.is_file() and plain.suffix in _TABLES and "matrix" not in expected:
        return f"a {plain.suffix} file is read by {{table: {{paths: {{rna: FILE, ...}}}}}}, one file per modality"
    return ""


def detect_format(path: Path) -> Format | None:
    """Return the format of a file or folder; None where it is absent, cannot be opened or is of another."""
    if path.is_dir() and not is_zarr(path):
        return TENX if any((path / name).is_file() for name in MATRIX_MARKET) else None
    try:
        if path.is_dir():
            import zarr

            store: Any = nullcontext(zarr.open_group(path, mode="r"))
        else:
            import h5py

            store = h5py.File(path)
        with store as content:
            return next((known for known in FORMATS if known.fits(content)), None)
    except Exception:  # it cannot be opened, which the caller reports
        return None
