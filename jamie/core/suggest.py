"""Names near to a misspelt one, for messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from jamie.core.errors import shorten

MOST_NAMES = 10
_LONGEST = 80  # of a name, in bytes


def closest_names(name: str, available: Iterable[str], n: int = 3) -> list[str]:
    """Return up to `n` of the available names that are like `name`, the nearest first; case and - are ignored."""
    if len(name := str(name)) > _LONGEST:
        return []
    folded: dict[str, str] = {}
    for candidate in available:
        folded.setdefault(_fold(candidate), str(candidate))
    return [folded[match] for match in difflib.get_close_matches(_fold(name), folded, n)]


def _fold(name: str) -> str:
    return str(name).lower().replace("-", "_")


def list_names(names: Sequence[str], most: int = MOST_NAMES) -> str:
    """Say ``a, b, c, and 4 more``; ``none`` where there is none."""
    listed = ", ".join(shorten(name, _LONGEST) for name in names[:most])
    return f"{listed}, and {len(names) - most} more" if len(names) > most else listed or "none"


def suggest_names(name: str, available: Iterable[str], most: int = MOST_NAMES) -> str:
    """Say which names there are, at most `most` of them, after the nearest to `name`."""
    names = list(map(str, available))
    if not names:
        return "there is none"
    near = closest_names(name, names, n=1)
    listed = list_names(names, most)
    return f"did you mean '{near[0]}'?   available: {listed}" if near else f"available: {listed}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``did you mean 'a' or 'b'?``; empty where nothing resembles the word."""
    found = [f"'{one}'" for one in closest_names(word, known)]
    return f"did you mean {' or '.join(filter(None, [', '.join(found[:-1]), found[-1]]))}?" if found else ""


def choices(word: str, known: Iterable[str], label: str) -> str:
    """``did you mean 'a'?   label: a, b, c``."""
    names = list(known)
    return "   ".join(filter(None, [did_you_mean(word, names), f"{label}: {list_names(names)}"]))
