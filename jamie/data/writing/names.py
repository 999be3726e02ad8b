"""Names of columns and keys as files hold them, in which ``/`` separates the levels of a path."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable

RESERVED = ("_index",)  # where anndata keeps the names of rows


def writable_name(name: Hashable) -> str:
    """Return a name as it can be written: text without ``/``, which becomes ``|``."""
    text = str(name).replace("/", "|").replace("\0", "")
    return f"{text}_" if text in ("", ".", "..", *RESERVED) else text


def writable_names(names: Iterable[Hashable]) -> list[str]:
    """Return unique names that can be written; where two would be equal, the second ends in -1, the next in -2, ..."""
    names = list(names)
    unchanged = {name for name in names if isinstance(name, str) and writable_name(name) == name}
    unique: dict[str, None] = {}
    for name in names:
        text, n = writable_name(name), 0
        while text in unique or (text in unchanged and text != name):
            n += 1
            text = f"{writable_name(name)}-{n}"
        unique[text] = None
    return list(unique)


def stored_name(name: str, names: Collection[Hashable]) -> str:
    """Return the form of a name that is among `names`: as it is, or as a file holds it."""
    return writable_name(name) if name not in names and writable_name(name) in names else name
