"""One call of the command line: its progress, its result or its error, its exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer

from jamie.console.errors import exit_on_error
from jamie.console.output import CommandOutput
from jamie.console.progress import ProgressDisplay, display_progress
from jamie.console.tables import print_json, print_tables
from jamie.core.errors import ExitCode


def run_command(call: Callable[[ProgressDisplay], CommandOutput], *, as_json: bool, debug: bool, quiet: bool) -> None:
    """Call what a command does and show its output.

    Raises
    ------
    typer.Exit
        With the exit code of an error, or of an output that holds failures.
    """
    with exit_on_error(as_json=as_json, debug=debug):
        with display_progress(quiet=quiet or as_json) as progress:
            output = call(progress)
        _print(output, as_json=as_json, quiet=quiet)
        sys.stdout.flush()  # what cannot be written is said here
    if output.failures:
        raise typer.Exit(ExitCode.USER_ERROR)
    if output.left_out:
        raise typer.Exit(ExitCode.INCOMPLETE)


def _print(output: CommandOutput, *, as_json: bool, quiet: bool) -> None:
    if as_json:
        print_json(output.record)
        return
    typer.echo(output.text, nl=False)
    if not quiet:
        print_tables(output.tables)
    for path in output.written:
        typer.echo(f"written to {path}")
    for failure in output.failures:
        typer.echo(failure, err=True)
