"""Files that a spec names: looked up beside it, then in $JAMIE_DATA."""

from __future__ import annotations

import os
from pathlib import Path

from jamie.spec.problem import Source

DATA_FOLDER = "JAMIE_DATA"


def expanded(text: str) -> Path:
    """Return a path with the home folder in place of ``~``; as it is written where there is no such user."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def exists(path: Path) -> bool:
    """Whether there is a file or folder; not where the system takes no such path, as it is too long or holds a NUL."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def find_file(text: str, source: Source) -> Path | None:
    """Return the absolute path of a file or folder that a spec names, None where it does not exist."""
    return next((path.resolve() for path in _candidates(text, source) if exists(path)), None)


def places_tried(text: str, source: Source) -> str:
    """Say where a file was looked for."""
    tried = " and ".join(str(path) for path in _candidates(text, source))
    unset = not os.environ.get(DATA_FOLDER) and not expanded(text).is_absolute()
    return f"looked for {tried}" + (f"; ${DATA_FOLDER} is not set" if unset else f" (beside the spec, ${DATA_FOLDER})")


def _candidates(text: str, source: Source) -> list[Path]:
    path = expanded(text)
    if path.is_absolute():
        return [path]
    data = os.environ.get(DATA_FOLDER)
    folders = [*(source.folders or (Path.cwd(),)), *([Path(data)] if data else [])]
    return list(dict.fromkeys(folder / path for folder in folders))  # the spec may lie in $JAMIE_DATA itself
