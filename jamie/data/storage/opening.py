"""Files and zarr folders that may be absent, empty, damaged or of another format: one clear error for each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from jamie.core.errors import DataError, JamieError
from jamie.core.files import is_zarr
from jamie.data.storage.formats import Format, detect_format, reader_advice

EXTRA = 'pip install "jamie-toolkit[hdf5plugin]"'


def require_file(path: Path, expected: str) -> None:
    """Refuse a path that is absent, a folder or empty; `expected` says what it should be."""
    if path.is_dir():
        no_zarr = "it lacks .zgroup or zarr.json: write or copy it again"
        fix = no_zarr if path.suffix == ".zarr" else "give the path of the file itself"
        raise DataError(
            f"expected {expected}, found a folder", where=str(path), fix=reader_advice(path, expected) or fix
        )
    if not path.is_file():
        raise DataError(f"expected {expected}, found no such file", where=str(path), fix="check the path")
    if path.stat().st_size == 0:
        raise DataError(f"expected {expected}, found an empty file", where=str(path), fix="write or copy it again")


@contextmanager
def checked_file(path: Path, expected: str) -> Iterator[None]:
    """Refuse a file that is absent or empty, and translate errors of reading it.

    Raises
    ------
    DataError
        Where the file is absent, empty, damaged or of another format.
    """
    require_file(path, expected)
    with translated_errors(path, expected):
        yield


@contextmanager
def translated_errors(path: Path, expected: str) -> Iterator[None]:
    """Turn any exception of a library that reads `path` into one `DataError`."""
    try:
        yield
    except (JamieError, MemoryError):
        raise
    except Exception as error:  # a damaged file can make a format library raise anything
        reason = str(error).strip().splitlines()
        raise DataError(
            f"expected {expected}, found a {'folder' if path.is_dir() else 'file'} that cannot be read as one "
            f"({type(error).__name__}: {reason[0][:200] if reason else 'no reason given'})",
            where=str(path),
            fix=reader_advice(path, expected) or _likely_fix(path, expected, error),
        ) from error


def _likely_fix(path: Path, expected: str, error: Exception) -> str:
    if type(error).__name__ == "IORegistryError":  # anndata's, of an encoding that it does not know
        return "a newer anndata may have written it: pip install --upgrade anndata"
    detected = detect_format(path)
    if detected is not None and detected.expected == expected and not isinstance(error, OSError):
        return "it opens, but its content does not follow its format: write it again where it can be read"
    return "it may be cut short or of another format: write or copy it again, or choose the reader that fits"


@contextmanager
def open_store(path: Path, expected: Format) -> Iterator[Any]:
    """Open an HDF5 file or a zarr folder to read; both are groups of named elements with `attrs`.

    Raises
    ------
    DataError
        Where it is absent, of another format, or compressed by a filter that is not installed.
    """
    with ExitStack() as stack:
        if not is_zarr(path):
            _require_hdf5(path, expected.expected)
        with translated_errors(path, expected.expected):
            if is_zarr(path):
                import zarr

                store: Any = zarr.open_group(path, mode="r")
            else:
                import h5py

                store = stack.enter_context(h5py.File(path))
                _require_filters(store, path)
            if not expected.fits(store):
                content = ", ".join(sorted(store)) or "nothing in it"
                raise DataError(
                    f"expected {expected.expected}, found {'zarr' if path.is_dir() else 'HDF5'} with {content}",
                    where=str(path),
                    fix=reader_advice(path, expected.expected),
                )
        yield store


def _require_hdf5(path: Path, expected: str) -> None:
    import h5py

    require_file(path, expected)
    if not h5py.is_hdf5(path):
        cut = "it may be cut short or of another format: for text and numpy files use the reader 'table'"
        fix = reader_advice(path, expected) or cut
        raise DataError(f"expected {expected}, found a file that is not HDF5", where=str(path), fix=fix)


def _require_filters(file: Any, path: Path) -> None:
    """Refuse an HDF5 file compressed by a filter that neither h5py nor hdf5plugin has."""
    missing = _missing_filters(file)
    if not missing:
        return
    filters = ", ".join(f"{code} ({name})" if name else str(code) for code, name in sorted(missing.items()))
    problem = f"is compressed by the HDF5 filter {filters}, which"
    try:
        import hdf5plugin  # noqa: F401  (registers its filters)
    except ImportError as error:
        raise DataError(f"{problem} is not installed", where=str(path), fix=EXTRA) from error
    if _missing_filters(file):
        fix = "write it again with gzip where it can be read: adata.write_h5ad(path, compression='gzip')"
        raise DataError(f"{problem} hdf5plugin does not have", where=str(path), fix=fix)


def _missing_filters(file: Any) -> dict[int, str]:
    """Codes and names of the filters that datasets need and that are not installed."""
    import h5py

    missing: dict[int, str] = {}

    def note(_: str, element: Any) -> None:
        if isinstance(element, h5py.Dataset) and element.chunks is not None:
            created = element.id.get_create_plist()
            for code, _flags, _values, name in map(created.get_filter, range(created.get_nfilters())):
                if code not in missing and not _filter_available(code):
                    missing[code] = name.decode(errors="replace").split(";")[0]

    file.visititems(note)
    return missing


def _filter_available(code: int) -> bool:
    import h5py

    return bool(h5py.h5z.filter_avail(code))
