"""Plugin files: read once, so that what is executed is what was hashed, and executed only if the user wants that."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import stat
import sys
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType

from jamie.core.errors import PluginError

_STATE_FILE = Path("jamie") / "trusted_plugins.json"
_FINDS_NEIGHBORS = (b"__file__", b"__spec__", b"sys.path", b"cwd")  # what a file may load other files of its folder by


@dataclass(frozen=True)
class PluginFile:
    """A Python file as it was read.

    Parameters
    ----------
    path
        Where it is.
    content
        Its bytes.
    """

    path: Path
    content: bytes

    @classmethod
    def read(cls, path: Path) -> PluginFile:
        """Read a file.

        Raises
        ------
        PluginError
            Where it is absent, cannot be read, or is no Python file.
        """
        if not path.is_file():
            fix = "put it there, or give a path relative to the spec"
            raise PluginError("no such file", where=f"plugin {path}", fix=fix)
        if path.suffix != ".py":
            raise PluginError("expected a Python file (.py)", where=f"plugin {path}")
        try:
            return cls(path, path.read_bytes())
        except OSError as error:
            fix = "make it readable"
            raise PluginError(f"cannot be read ({error.strerror})", where=f"plugin {path}", fix=fix) from error

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of its content."""
        return hashlib.sha256(self.content).hexdigest()

    def execute(self) -> ModuleType:
        """Import the content that was read, neither the file as it is by now nor a compiled file beside it.

        Raises
        ------
        PluginError
            Where it raises.
        """
        name = f"jamie_plugin_{hashlib.sha1(str(self.path.resolve()).encode()).hexdigest()[:12]}"
        spec = importlib.util.spec_from_file_location(name, self.path)
        assert spec is not None  # as its name ends in .py
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            exec(compile(self.content, str(self.path), "exec", dont_inherit=True), vars(module))
        except (Exception, SystemExit) as error:  # the author's code may fail in any way
            del sys.modules[name]
            raise PluginError(
                f"raised on import: {type(error).__name__}: {error}",
                where=f"plugin {self.path}",
                fix=f"mend the file (`python {self.path}` shows where it fails), or do not name it as a plugin",
            ) from error
        return module

    @property
    def is_trusted(self) -> bool:
        """Whether the user has run this content before; where it may load its neighbours, in the same place."""
        places = _trusted().get(self.sha256)
        if places is None:
            return False
        return str(self.path.resolve()) in places or not any(word in self.content for word in _FINDS_NEIGHBORS)

    def remember(self) -> None:
        """Record that the user has run this content here; nothing happens where that cannot be recorded."""
        state, place, trusted = _state_file(), str(self.path.resolve()), _trusted()
        if state is None or place in trusted.get(self.sha256, ()):
            return
        trusted[self.sha256] = [*trusted.get(self.sha256, ()), place]
        try:
            state.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor, partial = tempfile.mkstemp(dir=state.parent, prefix=".trusted_plugins.")  # for the owner alone
            try:
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    json.dump(trusted, file, indent=1)
                os.replace(partial, state)
            except BaseException:
                Path(partial).unlink(missing_ok=True)
                raise
        except OSError:
            return


def import_file(path: Path) -> ModuleType:
    """Import a Python file by its path.

    Raises
    ------
    PluginError
        Where the file is absent or raises.
    """
    return PluginFile.read(path).execute()


def _state_file() -> Path | None:
    """Where the hashes of what this user has run are kept; None without a home."""
    folder = Path(os.environ.get("XDG_STATE_HOME", ""))
    if folder.is_absolute():
        return folder / _STATE_FILE
    home = Path(os.path.expanduser("~"))
    has_home = home.is_absolute() and home != Path(home.anchor)  # the root stands for none
    return home / ".local" / "state" / _STATE_FILE if has_home else None


def _trusted() -> dict[str, list[str]]:
    """Places of each content that this user has run, by its hash; none if others could have written them."""
    state = _state_file()
    try:
        if state is None or not _is_of_this_user_alone(state):
            return {}
        found = json.loads(state.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    entries = found.items() if isinstance(found, dict) else ()
    return {key: [str(place) for place in places] for key, places in entries if isinstance(places, list)}


def _is_of_this_user_alone(path: Path) -> bool:
    status = path.stat()
    return status.st_uid == os.getuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
