"""Tables of text, for a terminal and for the page: numbers, folded names, columns within a width."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from jamie.core.names import ALL_CELLS, HELD_OUT_CELLS, HELD_OUT_PAIRS, TRAINING_CELLS

WIDTH, LONGEST_NAME, GAP = 80, 24, 2  # characters of a line, of a name before it is folded, between two columns
UP, DOWN, BEST, TIED = "↑", "↓", "*", "="
SCOPE_TITLES = {
    ALL_CELLS: "all cells",
    TRAINING_CELLS: "training cells",
    HELD_OUT_PAIRS: "held-out pairs",
    HELD_OUT_CELLS: "held-out cells",
}
CHANCE, TRUTH = REFERENCES = "chance", "truth"  # of a metric's parts: random partners of the same cells, the true ones
LOWER_IS_BETTER = frozenset({"quantile"})  # parts whose direction is not that of their metric
AIMED_AT_LEVEL = frozenset({"interval_coverage"})  # metrics that should be near a level: none is best

Key = TypeVar("Key")  # of a row


@dataclass(frozen=True)
class ConsoleTable:
    """One table.

    Parameters
    ----------
    title
        Shown above it; may be empty.
    rows
        Cells by the header of their column, in which every word is on a line of its own.
    """

    title: str
    rows: Sequence[Mapping[Any, Any]]


def arrow(higher_is_better: bool, part: str = "") -> str:
    """Return the arrow that says which values of a metric's part are better."""
    return UP if higher_is_better and part not in LOWER_IS_BETTER else DOWN


def split_reference(part: str) -> tuple[str, str]:
    """Split the name of a part from the reference that it scores: ``top_1_chance`` into ``top_1`` and ``chance``."""
    reference = next((name for name in REFERENCES if part == name or part.endswith(f"_{name}")), "")
    return (part.removesuffix(reference).removesuffix("_"), reference) if reference else (part, "")


def is_ranked(metric: str) -> bool:
    """Whether more of a metric, or of a part of it, is better or worse: one that should be near a level has no best."""
    return metric.partition(" ")[0] not in AIMED_AT_LEVEL


def number(value: float | None) -> str:
    """Format a number with about three digits."""
    if value is None or value != value:
        return "none"
    if value and not 0.001 <= abs(value) < 100:
        return f"{value:.2g}" if abs(value) < 1 else f"{value:.4g}"
    return f"{value:.3f}"


def fold_name(name: str) -> str:
    """Break a long name into lines, after signs that are no letters."""
    lines = [""]
    for piece in re.findall(r"[^/,_\s-]*[/,_\s-]|[^/,_\s-]+", name):
        if lines[-1] and len(lines[-1]) + len(piece) > LONGEST_NAME:
            lines.append("")
        lines[-1] += piece
    return "\n".join(lines)


def fit_width(
    title: str, columns: Mapping[str, Mapping[Key, str]], names: Mapping[Key, Mapping[str, str]], width: int = WIDTH
) -> list[ConsoleTable]:
    """Divide the columns of a table among as many tables as the width requires.

    Parameters
    ----------
    title
        Of the table.
    columns
        Cells as text, by header and row.
    names
        Cells that name each row, by their header.
    width
        Characters of a line.
    """
    names = {row: name for row, name in names.items() if any(row in cells for cells in columns.values())}
    left = names_width(names)
    panels: list[dict[str, Mapping[Key, str]]] = [{}]
    used = left
    for header, cells in columns.items():
        needed = GAP + _text_width([header, *cells.values()])
        if panels[-1] and used + needed > width:
            panels.append({})
            used = left
        panels[-1][header] = cells
        used += needed
    heading, newline, note = title.partition("\n")
    return [
        ConsoleTable(
            title if position == 0 else f"{heading}, continued{newline}{note}",
            [{**names[row], **{header: cells.get(row, "") for header, cells in panel.items()}} for row in names],
        )
        for position, panel in enumerate(panels)
    ]


def names_width(names: Mapping[Any, Mapping[str, str]]) -> int:
    """Return the characters that the columns of names take in a line."""
    headers = next(iter(names.values()), {})
    return sum(_text_width([header, *(name[header] for name in names.values())]) + GAP for header in headers) - GAP


def _text_width(texts: Iterable[str]) -> int:
    return max(len(line) for text in texts for line in text.split("\n"))
