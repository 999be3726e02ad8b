"""Names near to a misspelt one, for messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, available: Iterable[str], n: int = 3) -> list[str]:
    """Return up to `n` of the available names that are like `name`, the nearest first; case is ignored."""
    by_lower = {str(one).lower(): str(one) for one in available}
    return [by_lower[match] for match in difflib.get_close_matches(str(name).lower(), by_lower, n=n)]


def choose_from(name: str, available: Iterable[str]) -> str:
    """Say which names there are, with the nearest to `name` first."""
    names = [str(one) for one in available]
    if not names:
        return "there is none"
    near = nearest(name, names, n=1)
    listed = ", ".join(names[:20]) + (f", and {len(names) - 20} more" if len(names) > 20 else "")
    return f"did you mean '{near[0]}'? available: {listed}" if near else f"available: {listed}"
