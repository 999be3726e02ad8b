"""Pages from templates, each a single file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jamie.report.html.pack import packed, plotly_script
from jamie.report.html.scores import split_mark
from jamie.runs.directory import OutputDirectory

if TYPE_CHECKING:
    from jinja2 import Environment

HERE = Path(__file__).parent


def write_page(path: Path, template: str, scripts: Sequence[str], data: Any = None, **values: Any) -> Path:
    """Write a page from ``<template>.html.j2``; all text in it is escaped.

    Parameters
    ----------
    path
        File to write; it is complete or absent.
    template
        Name of the template.
    scripts
        Names of the .js files that the page runs.
    data
        Plain values for the scripts; None for none.
    **values
        Variables of the template.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    text = (
        _environment()
        .get_template(f"{template}.html.j2")
        .render(
            version=version("jamie-toolkit"),
            written=f"{datetime.now(UTC):%-d %B %Y}",
            style=_part("style.css"),
            scripts=[_part(f"{script}.js") for script in scripts],
            data=None if data is None else packed(data),
            plotly=None if data is None else plotly_script(),
            **values,
        )
    )
    with OutputDirectory(path.parent).writing(path.name) as partial:
        partial.write_text(text, encoding="utf-8")
    return path


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.filters |= {
        "columns": _columns,
        "split_mark": split_mark,
        "one_line": _one_line,
        "count_or_dash": _count_or_dash,
    }
    return made


def _part(name: str) -> Any:
    """Return a file of this folder, which is inserted without escaping."""
    from markupsafe import Markup

    return Markup((HERE / name).read_text(encoding="utf-8"))


def _columns(rows: Iterable[Mapping[str, str]]) -> list[str]:
    return list(dict.fromkeys(key for row in rows for key in row))


def _one_line(heading: str) -> str:
    return heading.replace("\n", " ")


def _count_or_dash(number: int | None) -> str:
    return "—" if number is None else f"{number:,}"
