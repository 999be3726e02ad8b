"""Files as other programs write them."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from jamie.core.errors import JamieError, OutputError

FOLDERS = (".zarr",)  # what looks like a file to its user, and is a folder
FREE_SPACE = (
    "the disk is full, or a quota or limit of file size (ulimit -f) is reached: free some space, then give the same "
    "command again, that of a run with --resume"
)
_FULL = {errno.ENOSPC: "No space left on device", errno.EDQUOT: "Disk quota exceeded", errno.EFBIG: "File too large"}


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error, or what led to it, is that no more can be written; some libraries say it in words alone."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        if any(phrase.lower() in str(error).lower() for phrase in _FULL.values()):
            return True
        error = error.__cause__ or error.__context__
    return False


def file_hash(path: Path) -> str:
    """SHA-256 of a file, or of the names and contents of all files in a directory."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    digest = hashlib.sha256()
    for file in files:
        if file != path:
            digest.update(file.relative_to(path).as_posix().encode())
        with file.open("rb") as content:
            while chunk := content.read(2**20):
                digest.update(chunk)
    return digest.hexdigest()


def set_default_permissions(path: Path) -> None:
    """Give a file the permissions of a new one; safetensors lets nobody but the owner read what it writes."""
    mask = os.umask(0)  # the only way to read it is to set it
    os.umask(mask)
    path.chmod(0o666 & ~mask)


def partial_path(out: Path) -> Path:
    """Return the path beside `out` where it is written."""
    return out.with_name(f".{out.stem}.partial{out.suffix}")


@contextmanager
def replace_atomically(out: Path) -> Iterator[Path]:
    """Give a path beside `out` where nothing is, and put what was written there in place of `out` at once.

    After an error `out` is as before. The folder that holds it is made.

    Raises
    ------
    OutputError
        If the disk is full.
    """
    partial = partial_path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    remove_path(partial)
    try:
        yield partial
        if partial.is_dir():  # which renaming puts in place of nothing; a file never replaces a folder
            remove_path(out)
        os.replace(partial, out)
    except JamieError:
        raise
    except Exception as error:  # OSError, and what HDF5 and safetensors make of it
        if not is_disk_full(error):
            raise
        problem = f"cannot be written ({' '.join(str(error).split())})"
        raise OutputError(problem, where=str(out), fix=FREE_SPACE) from error
    finally:
        remove_path(partial)


@contextmanager
def write_atomically(out: Path, suffixes: tuple[str, ...], overwrite: bool) -> Iterator[Path]:
    """Give a temporary path, and put what was written there in place of `out` at once.

    Raises
    ------
    OutputError
        Where `out` has another ending than the `suffixes`, exists already, or cannot be written.
    """
    _require_place(out, suffixes, overwrite)
    with ExitStack() as stack:
        try:
            partial = stack.enter_context(replace_atomically(out))
            if out.suffix in FOLDERS:
                partial.mkdir()
            else:
                partial.touch()
        except OSError as error:
            raise OutputError(
                f"cannot be written ({error.strerror})", where=str(out), fix="give another name"
            ) from error
        yield partial


def _require_place(out: Path, suffixes: tuple[str, ...], overwrite: bool) -> None:
    if out.suffix not in suffixes:
        fix = f"write {' or '.join(out.stem + suffix for suffix in suffixes)}"
        raise OutputError(f"expected a name that ends in {' or '.join(suffixes)}", where=str(out), fix=fix)
    is_folder = out.suffix in FOLDERS
    if out.is_dir() and not is_folder:
        raise OutputError("expected a file, found a folder", where=str(out), fix="give another name")
    if out.exists() and not overwrite:
        raise OutputError("exists already", where=str(out), fix="give another name, or --overwrite")
    if is_folder and out.exists() and not is_zarr(out):
        problem = "is no zarr store, so it is not overwritten"
        raise OutputError(problem, where=str(out), fix="give another name")


def is_zarr(path: Path) -> bool:
    """Whether a folder is a zarr group, of format 2 or 3."""
    return any((path / name).is_file() for name in (".zgroup", "zarr.json"))


def remove_path(path: Path) -> None:
    """Remove a file, or a folder with all that it holds, where there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
