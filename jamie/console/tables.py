"""Tables and JSON on standard output."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from jamie.report.tables import BEST, ConsoleTable
from jamie.runs.directory import json_text

WIDTH_IN_FILES = 200


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    print(json_text(value, indent=2))


def print_tables(tables: Iterable[ConsoleTable]) -> None:
    """Print tables with their titles, an empty line between two; lines are cut on a terminal only.

    Cells whose first line ends in the mark of the best value are bold.
    """
    console = Console() if sys.stdout.isatty() else Console(width=WIDTH_IN_FILES)
    for position, table in enumerate(tables):
        if position:
            print()
        if table.title:
            print(table.title, flush=True)
        console.print(_rich_table(table))


def _rich_table(table: ConsoleTable) -> Table:
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    headers = list(dict.fromkeys(header for row in table.rows for header in row))
    for header in headers:
        drawn.add_column(header, overflow="fold")
    for row in table.rows:
        texts = [escape(_text(row.get(header))) for header in headers]
        drawn.add_row(*(f"[bold]{text}[/]" if text.partition("\n")[0].endswith(BEST) else text for text in texts))
    return drawn


def _text(value: Any) -> str:
    if isinstance(value, dict):
        value = [f"{key}={item}" for key, item in value.items()]
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return "" if value != value else f"{value:.4g}"
    return "" if value is None else str(value)
