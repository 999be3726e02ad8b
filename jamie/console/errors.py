"""Errors as a terminal shows them: a message on standard error, or JSON, and an exit code."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import typer

from jamie.console.tables import print_json
from jamie.core.errors import ExitCode, JamieError, OutputError, SpecError, Termination
from jamie.core.files import FREE_SPACE, is_disk_full

EXIT_CODES = {"SIGTERM": ExitCode.TERMINATED, "SIGHUP": ExitCode.HUNG_UP}


@contextmanager
def exit_on_error(*, as_json: bool = False, debug: bool = False) -> Iterator[None]:
    """Turn an error into a message and exit code 2, an interrupt into 130, 143 or 129; `debug` shows the traceback."""
    try:
        with _termination_as_interrupt():
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
        if is_disk_full(error):
            full = OutputError(f"cannot be written ({error})", fix=FREE_SPACE)
            raise _exit(ExitCode.USER_ERROR, {"code": full.code, "message": str(full)}, as_json=as_json) from error
        record = {"code": "unexpected", "message": f"unexpected {type(error).__name__}: {error}"}
        fix = "\n  a fault of jamie or of a plugin; --debug shows where"
        raise _exit(ExitCode.UNEXPECTED, record, fix, as_json=as_json) from error
    except KeyboardInterrupt as error:
        record = {"code": "interrupted", "message": "\n  ".join(["interrupted", *getattr(error, "__notes__", ())])}
        exit_code = EXIT_CODES[error.signal] if isinstance(error, Termination) else ExitCode.INTERRUPTED
        raise _exit(exit_code, record, as_json=as_json) from error


def _exit(exit_code: int, record: dict[str, Any], fix: str = "", *, as_json: bool) -> typer.Exit:
    """Print an error, and return the exit that ends the command."""
    with suppress(OSError):  # the terminal may be gone, or the disk full that takes standard output
        if as_json:
            print_json({"error": record})
        else:
            print(record["message"] + fix, file=sys.stderr)
    return typer.Exit(exit_code)


@contextmanager
def _termination_as_interrupt() -> Iterator[None]:
    """Let SIGTERM (a scheduler's or `docker stop`) and SIGHUP (a closed terminal) end the work as Ctrl-C does.

    Signals reach the main thread only. One that is ignored, as SIGHUP is under `nohup`, stays so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGHUP)}
    heard = [one for one, handler in before.items() if handler is not signal.SIG_IGN]

    def interrupt(number: int, _: object) -> None:
        for one in heard:  # both often come together: the work ends once
            signal.signal(one, signal.SIG_IGN)
        raise Termination(signal.Signals(number).name)

    for one in heard:
        signal.signal(one, interrupt)
    try:
        yield
    finally:
        for one in heard:
            signal.signal(one, before[one])
