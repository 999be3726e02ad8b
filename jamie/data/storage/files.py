"""Files that may be absent, empty, cut short or of another format: opened with one clear error for each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jamie.core.errors import DataError, JamieError
from jamie.data.storage.formats import advice, format_of


def require_file(path: Path, expected: str) -> None:
    """Refuse a path that is absent, a folder or empty; `expected` says what it should be."""
    if path.is_dir():
        fix = advice(path, expected) or "give the path of the file itself"
        if path.suffix == ".zarr":
            fix = advice(path, expected) or "it lacks .zgroup or zarr.json: write or copy it again"
        raise DataError(f"expected {expected}, found a folder", where=str(path), fix=fix)
    if not path.is_file():
        raise DataError(f"expected {expected}, found no such file", where=str(path), fix="check the path")
    if path.stat().st_size == 0:
        raise DataError(f"expected {expected}, found an empty file", where=str(path), fix="write or copy it again")


@contextmanager
def reading(path: Path, expected: str) -> Iterator[None]:
    """Turn whatever a library raises while it reads the file `path` into one error in the user's terms.

    Raises
    ------
    DataError
        Where the file is absent, empty, cut short or of another format.
    """
    require_file(path, expected)
    with understood(path, expected):
        yield


@contextmanager
def understood(path: Path, expected: str) -> Iterator[None]:
    """As `reading`, of a file or a folder that is there."""
    try:
        yield
    except (JamieError, MemoryError):
        raise
    except Exception as error:  # a damaged file can make a format library raise anything
        reason = str(error).strip().splitlines()
        what = "folder" if path.is_dir() else "file"
        raise DataError(
            f"expected {expected}, found a {what} that cannot be read as one "
            f"({type(error).__name__}: {reason[0][:200] if reason else 'no reason given'})",
            where=str(path),
            fix=advice(path, expected) or _way_out(path, expected, error),
        ) from error


def _way_out(path: Path, expected: str, error: Exception) -> str:
    if type(error).__name__ == "IORegistryError":  # anndata's, of an encoding that it does not know
        return "a newer anndata may have written it: pip install --upgrade anndata"
    found = format_of(path)
    if found is not None and found.expected == expected and not isinstance(error, OSError):
        return "it opens, and what is in it is not as its format has it: write it again where it can be read"
    return "it may be cut short or of another format: write or copy it again, or choose the reader that fits"


def require_hdf5(path: Path, expected: str) -> None:
    """Refuse a file that is not HDF5."""
    import h5py

    require_file(path, expected)
    if not h5py.is_hdf5(path):
        cut = "it may be cut short or of another format: for text and numpy files use the reader 'table'"
        raise DataError(
            f"expected {expected}, found a file that is not HDF5", where=str(path), fix=advice(path, expected) or cut
        )
