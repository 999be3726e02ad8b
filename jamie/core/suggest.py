"""Names near to a misspelt one, for messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def closest_names(name: str, available: Iterable[str], n: int = 3) -> list[str]:
    """Return up to `n` of the available names that are like `name`, the nearest first; case and - are ignored."""
    folded: dict[str, str] = {}
    for one in available:
        folded.setdefault(str(one).lower().replace("-", "_"), str(one))
    return [folded[found] for found in difflib.get_close_matches(str(name).lower().replace("-", "_"), folded, n)]


def suggest_names(name: str, available: Iterable[str], most: int = 20) -> str:
    """Say which names there are, at most `most` of them, after the nearest to `name`."""
    names = [str(one) for one in available]
    if not names:
        return "there is none"
    near = closest_names(name, names, n=1)
    listed = ", ".join(names[:most]) + (f", and {len(names) - most} more" if len(names) > most else "")
    return f"did you mean '{near[0]}'?   available: {listed}" if near else f"available: {listed}"
