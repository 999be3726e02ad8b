"""Errors as a terminal shows them: a message on standard error, or JSON, and an exit code."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from jamie.console.tables import print_json
from jamie.core.errors import ExitCode, JamieError, SpecError


class _Termination(KeyboardInterrupt):
    """The system asks the process to end."""


@contextmanager
def exit_on_error(*, as_json: bool = False, debug: bool = False) -> Iterator[None]:
    """Turn an error into a message and exit code 2, an interrupt into 130 or 143; `debug` shows the traceback."""
    try:
        with _sigterm_as_interrupt():
            yield
    except JamieError as error:
        if debug:
            raise
        record: dict[str, Any] = {"code": error.code, "message": str(error)}
        if isinstance(error, SpecError) and error.problems:
            record["problems"] = [problem.as_dict() for problem in error.problems]
        raise _exit(ExitCode.USER_ERROR, record, as_json=as_json) from error
    except Exception as error:  # a fault, here or in a plugin: one line, unless the traceback is wanted
        if debug:
            raise
        record = {"code": "unexpected", "message": f"unexpected {type(error).__name__}: {error}"}
        fix = "\n  a fault of jamie or of a plugin; --debug shows where"
        raise _exit(ExitCode.UNEXPECTED, record, fix, as_json=as_json) from error
    except KeyboardInterrupt as error:
        record = {"code": "interrupted", "message": "\n  ".join(["interrupted", *getattr(error, "__notes__", ())])}
        exit_code = ExitCode.TERMINATED if isinstance(error, _Termination) else ExitCode.INTERRUPTED
        raise _exit(exit_code, record, as_json=as_json) from error


def _exit(exit_code: int, record: dict[str, Any], fix: str = "", *, as_json: bool) -> typer.Exit:
    """Print an error, and return the exit that ends the command."""
    if as_json:
        print_json({"error": record})
    else:
        print(record["message"] + fix, file=sys.stderr)
    return typer.Exit(exit_code)


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
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
