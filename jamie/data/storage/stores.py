"""HDF5 files and zarr folders, opened alike."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from jamie.core.errors import DataError
from jamie.core.files import is_zarr
from jamie.data.storage.files import require_hdf5, understood
from jamie.data.storage.formats import Format, advice

EXTRA = 'pip install "jamie-toolkit[hdf5plugin]"'


@contextmanager
def opened(path: Path, wanted: Format) -> Iterator[Any]:
    """Open an HDF5 file or a zarr folder to read; both are groups of named elements with `attrs`.

    Raises
    ------
    DataError
        Where it is absent, of another format than is wanted, or compressed by a filter that is not installed.
    """
    with ExitStack() as stack:
        if is_zarr(path):
            import zarr

            with understood(path, wanted.expected):
                store: Any = zarr.open_group(path, mode="r")
        else:
            import h5py

            require_hdf5(path, wanted.expected)
            with understood(path, wanted.expected):
                store = stack.enter_context(h5py.File(path))
            require_filters(store, path)
        with understood(path, wanted.expected):
            _require_format(store, path, wanted)
        yield store


def _require_format(store: Any, path: Path, wanted: Format) -> None:
    if wanted.fits(store):
        return
    found = ", ".join(sorted(store)) or "nothing in it"
    raise DataError(
        f"expected {wanted.expected}, found {'zarr' if path.is_dir() else 'HDF5'} with {found}",
        where=str(path),
        fix=advice(path, wanted.expected),
    )


def require_filters(file: Any, path: Path) -> None:
    """Refuse an HDF5 file that is compressed by a filter which neither h5py nor hdf5plugin has.

    Raises
    ------
    DataError
        Naming the filter, and how to get it.
    """
    lacking = _lacking(file)
    if not lacking:
        return
    filters = ", ".join(f"{code} ({name})" if name else str(code) for code, name in sorted(lacking.items()))
    try:
        import hdf5plugin  # noqa: F401  (registers its filters)
    except ImportError as error:
        raise DataError(
            f"is compressed by the HDF5 filter {filters}, which is not installed", where=str(path), fix=EXTRA
        ) from error
    if _lacking(file):
        raise DataError(
            f"is compressed by the HDF5 filter {filters}, which hdf5plugin does not have",
            where=str(path),
            fix="write it anew with gzip where it can be read: adata.write_h5ad(path, compression='gzip')",
        )


def _lacking(file: Any) -> dict[int, str]:
    """Codes and names of the filters that datasets need and that are not there."""
    import h5py

    lacking: dict[int, str] = {}

    def note(_: str, element: Any) -> None:
        if isinstance(element, h5py.Dataset) and element.chunks is not None:
            created = element.id.get_create_plist()
            for code, _flags, _values, name in map(created.get_filter, range(created.get_nfilters())):
                if code not in lacking and not _available(code):
                    lacking[code] = name.decode(errors="replace").split(";")[0]

    file.visititems(note)
    return lacking


def _available(code: int) -> bool:
    import h5py

    return bool(h5py.h5z.filter_avail(code))
