"""Names of columns and keys as files hold them, in which ``/`` divides one place from the next."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable

RESERVED = ("_index",)  # where anndata keeps the names of rows


def written_name(name: Hashable) -> str:
    """Return a name as it can be written: text without ``/``, which becomes ``|``."""
    text = str(name).replace("/", "|").replace("\0", "")
    return f"{text}_" if text in ("", ".", "..", *RESERVED) else text


def written_names(names: Iterable[Hashable]) -> list[str]:
    """Return names as they can be written, each once: a repeat of another, or what became one, ends in -1, -2, ..."""
    names = list(names)
    kept = {name for name in names if isinstance(name, str) and written_name(name) == name}
    found: dict[str, None] = {}
    for name in names:
        text, n = written_name(name), 0
        while text in found or (text in kept and text != name):
            n += 1
            text = f"{written_name(name)}-{n}"
        found[text] = None
    return list(found)


def found_name(name: str, names: Collection[Hashable]) -> str:
    """Return a name, or what it is in a file that was written, where only that is among `names`."""
    return written_name(name) if name not in names and written_name(name) in names else name
