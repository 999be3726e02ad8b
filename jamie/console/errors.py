"""What the command line shows: tables on standard output, errors on standard error, or JSON."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from jamie.core.errors import ExitCode, JamieError, SpecError
from jamie.report.tables import BEST, Block
from jamie.runs.directory import json_text

if TYPE_CHECKING:
    from jamie.commands.bench import BenchResult
    from jamie.commands.sweep import SweepResult

WIDTH_IN_FILES = 200


class _Termination(KeyboardInterrupt):
    """The system asks the process to end."""


@contextmanager
def errors_shown(*, as_json: bool = False, debug: bool = False) -> Iterator[None]:
    """Turn an error into a message and exit code 2, an interrupt into 130 or 143; `debug` shows the traceback."""
    try:
        with _termination_interrupts():
            yield
    except JamieError as error:
        if debug:
            raise
        if as_json:
            print_json({"error": _error_record(error)})
        else:
            print(error, file=sys.stderr)
        raise typer.Exit(ExitCode.USER_ERROR) from error
    except Exception as error:  # a fault, here or in a plugin: one line, unless the traceback is asked for
        if debug:
            raise
        message = f"unexpected {type(error).__name__}: {error}"
        if as_json:
            print_json({"error": {"code": "unexpected", "message": message}})
        else:
            print(f"{message}\n  a fault of jamie or of a plugin; --debug shows where", file=sys.stderr)
        raise typer.Exit(ExitCode.UNEXPECTED) from error
    except KeyboardInterrupt as error:
        message = "\n  ".join(["interrupted", *getattr(error, "__notes__", ())])
        if as_json:
            print_json({"error": {"code": "interrupted", "message": message}})
        else:
            print(message, file=sys.stderr)
        raise typer.Exit(ExitCode.TERMINATED if isinstance(error, _Termination) else ExitCode.INTERRUPTED) from error


@contextmanager
def _termination_interrupts() -> Iterator[None]:
    """Let SIGTERM (a scheduler's or `docker stop`) end the work as Ctrl-C does; signals reach the main thread only."""

    def interrupt(*_: object) -> None:
        raise _Termination

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    print(json_text(value, indent=2))


def print_rows(rows: Iterable[Mapping[str, Any]], *, bold: str = "") -> None:
    """Print mappings as a table whose columns are their keys; lines are cut on a terminal only.

    Cells whose first line ends in the mark `bold` are bold.
    """
    rows = list(rows)
    table = Table(box=None, pad_edge=False, header_style="bold")
    columns = list(dict.fromkeys(key for row in rows for key in row))
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        texts = [escape(_cell(row.get(column))) for column in columns]
        marked = [bool(bold) and text.partition("\n")[0].endswith(bold) for text in texts]
        table.add_row(*(f"[bold]{text}[/]" if mark else text for text, mark in zip(texts, marked, strict=True)))
    console = Console() if sys.stdout.isatty() else Console(width=WIDTH_IN_FILES)
    console.print(table)


def print_blocks(blocks: Iterable[Block]) -> None:
    """Print tables with their titles, an empty line between two; on a terminal the best values are bold."""
    for position, block in enumerate(blocks):
        print(block.title if position == 0 else f"\n{block.title}", flush=True)
        print_rows(block.rows, bold=BEST)


def print_sweep(
    result: SweepResult, *, as_json: bool = False, quiet: bool = False, bench: BenchResult | None = None
) -> None:
    """Print the summary of a sweep (of a benchmark, its time and memory), and then the runs that failed.

    Raises
    ------
    typer.Exit
        With exit code 2, where a run failed.
    """
    if as_json:
        runs = [{"run": one.name, "values": one.values, "error": one.error or None} for one in result.runs]
        tables = {"summary": result.summary, **({} if bench is None else bench.tables), **result.imputed.tables}
        shown = {name: table.to_dict(orient="records") for name, table in tables.items()}
        print_json({"folder": str(result.folder), "runs": runs, **shown})
    else:
        if not quiet:
            print_blocks(_sweep_blocks(result) if bench is None else bench.blocks())
        typer.echo(f"written to {result.folder}")
        for run in result.failed:
            print(f"{run.name} failed: {run.error}", file=sys.stderr)
    if result.failed:
        raise typer.Exit(ExitCode.USER_ERROR)


def _sweep_blocks(result: SweepResult) -> list[Block]:
    """Headlines of a sweep; what is said of imputation comes last, by itself."""
    from jamie.commands.multirun.tables import summary_blocks

    imputed = result.imputed
    rest = imputed.without(result.summary)
    return [*summary_blocks(rest, result.grid_keys), *imputed.blocks(result.grid_keys)]


def print_component(found: Mapping[str, Any]) -> None:
    """Print what `jamie.spec.describe.describe_component` gives."""
    print(f"{found['kind']} {found['name']} ({found['provider']})\n{found['summary']}")
    if found["description"]:
        print(f"\n{found['description']}")
    print("\nParameters" if found["parameters"] else "\nNo parameters")
    for parameter in found["parameters"]:
        default = "required" if parameter["required"] else f"default {json.dumps(parameter['default'])}"
        print(f"  {parameter['name']}: {parameter['type']}, {default}")
        if parameter["description"]:
            print(f"      {parameter['description']}")
    if found["references"]:
        print("\nReferences")
    for reference in found["references"]:
        print(f"  {reference}")


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        value = [f"{key}={one}" for key, one in value.items()]
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _error_record(error: JamieError) -> dict[str, Any]:
    record: dict[str, Any] = {"code": error.code, "message": str(error)}
    if isinstance(error, SpecError) and error.problems:
        record["problems"] = [problem.as_dict() for problem in error.problems]
    return record
