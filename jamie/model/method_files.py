"""A fitted method in files: arrays, JSON and, where a package insists on its own format, a folder that it writes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jamie.core.errors import OutputError
from jamie.core.interfaces import Method
from jamie.core.names import METHOD_FILE, METHOD_FOLDER
from jamie.core.state import State
from jamie.core.tensor_files import load_arrays, save_arrays


def save_method(method: Method, folder: Path) -> dict[str, Any]:
    """Write a fitted method into an existing folder, and return the rest as JSON."""
    state = method.state()
    save_arrays(state.arrays, folder / METHOD_FILE)
    described = {"component": method.name, "values": state.values}
    if method.saves_folder():
        own = folder / METHOD_FOLDER
        own.mkdir()
        method._save_folder(own)
        described |= {"folder": folder_hash(own), "unsafe_format": method.unsafe_format}
    return described


def load_method(method: Method, folder: Path, described: Mapping[str, Any], *, allow_unsafe: bool = False) -> Method:
    """Restore on a method with the same parameters what `save_method` wrote and returned.

    Raises
    ------
    OutputError
        If the method's own files have changed or cannot be read, or reading them can run code and `allow_unsafe` is
        false.
    """
    own = folder / METHOD_FOLDER
    if "folder" in described:
        if (method.unsafe_format or described["unsafe_format"]) and not allow_unsafe:
            raise OutputError(
                f"method '{method.name}' reads files of a format that can run code, whoever wrote it",
                where=str(own),
                fix="if you trust where the model comes from: --allow-unsafe-model (in Python, "
                "allow_unsafe_model=True)",
            )
        if folder_hash(own) != described["folder"]:
            raise OutputError(
                f"expected the files that method '{method.name}' wrote, found others",
                where=str(own),
                fix="copy the whole folder again, or run the spec again",
            )
    state = State(load_arrays(folder / METHOD_FILE), described["values"])
    try:
        method.set_state(state)
        if "folder" in described:
            method._load_folder(own)
    except Exception as error:  # whatever the code of a plugin raises
        raise OutputError(
            f"method '{method.name}' cannot read what it saved ({type(error).__name__}: {error})",
            where=str(folder),
            fix="copy the whole folder again, install the version of the plugin that wrote it, or run the spec again",
        ) from error
    return method


def folder_hash(folder: Path) -> str:
    """SHA-256 of the names and contents of all files below a folder."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name, content = path.relative_to(folder).as_posix().encode(), path.read_bytes()
        digest.update(b"%d %d " % (len(name), len(content)) + name + content)
    return digest.hexdigest()
