"""Names near to a misspelt one, for messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def closest_names(name: str, available: Iterable[str], n: int = 3) -> list[str]:
    """Return up to `n` of the available names that are like `name`, the nearest first; case and - are ignored."""
    folded: dict[str, str] = {}
    for candidate in available:
        folded.setdefault(_fold(candidate), str(candidate))
    return [folded[match] for match in difflib.get_close_matches(_fold(name), folded, n)]


def _fold(name: str) -> str:
    return str(name).lower().replace("-", "_")


def suggest_names(name: str, available: Iterable[str], most: int = 20) -> str:
    """Say which names there are, at most `most` of them, after the nearest to `name`."""
    names = list(map(str, available))
    if not names:
        return "there is none"
    near = closest_names(name, names, n=1)
    listed = ", ".join(names[:most]) + (f", and {len(names) - most} more" if len(names) > most else "")
    return f"did you mean '{near[0]}'?   available: {listed}" if near else f"available: {listed}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``did you mean 'a' or 'b'?``; empty where nothing resembles the word."""
    found = [f"'{one}'" for one in closest_names(word, known)]
    return f"did you mean {' or '.join(filter(None, [', '.join(found[:-1]), found[-1]]))}?" if found else ""


def choices(word: str, known: Iterable[str], label: str) -> str:
    """``did you mean 'a'?   label: a, b, c``."""
    names = list(known)
    return "   ".join(filter(None, [did_you_mean(word, names), f"{label}: {', '.join(names) or 'none'}"]))
