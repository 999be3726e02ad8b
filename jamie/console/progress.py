"""What a person sees while a run goes on: progress bars in a terminal, plain lines elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich import progress
from rich.console import Console
from rich.logging import RichHandler
from rich.table import Column
from rich.text import Text

SECONDS_BETWEEN_LINES = 5.0


@contextmanager
def display_progress(*, quiet: bool = False) -> Iterator[ProgressDisplay]:
    """Show notices and progress on standard error; only warnings if it is `quiet`."""
    console = Console(stderr=True)
    terminal = console.is_terminal and not quiet
    handler: logging.Handler
    if terminal:
        handler = RichHandler(console=console, show_time=False, show_path=False, show_level=True, markup=False)
    else:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_Plain())
    logger = logging.getLogger("jamie")
    level, propagate = logger.level, logger.propagate
    handler.addFilter(_Once())
    handler.setLevel(logging.WARNING if quiet else logging.INFO)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(handler)
    display = _Bars(console) if terminal else ProgressDisplay() if quiet else _Lines()
    try:
        yield display
    finally:
        display.close()
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate


class _Plain(logging.Formatter):
    """The message alone, and its level where it is a warning or worse."""

    def format(self, record: logging.LogRecord) -> str:
        message = super().format(record)
        return f"{record.levelname}: {message}" if record.levelno >= logging.WARNING else message


class _Once(logging.Filter):
    """Shows a warning once, however often a command meets it."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if record.levelno < logging.WARNING or message not in self._shown:
            self._shown.add(message)
            return True
        return False


class ProgressDisplay:
    """Takes progress as `Context.progress` gives it; by itself it shows nothing."""

    def __call__(self, stage: str, done: int, total: int, values: Mapping[str, float]) -> None:
        """Show where a stage stands."""

    def close(self) -> None:
        """Leave the terminal as it was."""


class _Lines(ProgressDisplay):
    """A line every few seconds, for logs."""

    def __init__(self) -> None:
        self._shown: dict[str, float] = {}

    def __call__(self, stage: str, done: int, total: int, values: Mapping[str, float]) -> None:
        now = time.monotonic()
        if now - self._shown.setdefault(stage, now) >= SECONDS_BETWEEN_LINES:
            self._shown[stage] = now
            logging.getLogger("jamie").info("%s %d/%d  %s", stage, done, total, _numbers(values))


class _Bars(ProgressDisplay):
    """One bar for each stage, with the losses and the time left."""

    def __init__(self, console: Console) -> None:
        columns = (
            progress.TextColumn("{task.description}", table_column=Column(no_wrap=True)),
            progress.BarColumn(bar_width=16, table_column=Column(no_wrap=True)),
            progress.MofNCompleteColumn(table_column=Column(no_wrap=True)),
            progress.TimeRemainingColumn(table_column=Column(no_wrap=True)),
            _Numbers(),
        )
        self._progress = progress.Progress(*columns, console=console, transient=True)
        self._tasks: dict[str, progress.TaskID] = {}

    def __call__(self, stage: str, done: int, total: int, values: Mapping[str, float]) -> None:
        if stage not in self._tasks:
            self._progress.start()
            self._tasks[stage] = self._progress.add_task(stage, total=total, numbers="")
        self._progress.update(self._tasks[stage], completed=done, total=total, numbers=_numbers(values))

    def close(self) -> None:
        self._progress.stop()


class _Numbers(progress.ProgressColumn):
    """The losses, on one line; where a terminal is narrow, they give way to all else."""

    def render(self, task: progress.Task) -> Text:
        return Text(task.fields["numbers"], no_wrap=True, overflow="ellipsis")


def _numbers(values: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in values.items())
