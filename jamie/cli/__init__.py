"""Command line: parses and calls; no logic."""

import sys
from io import TextIOWrapper

from jamie.cli import commands  # noqa: F401  registers the commands
from jamie.cli.app import app

__all__ = ["app", "main"]


def main() -> None:
    """Entry point of the command `jamie`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # names that the locale lacks are shown as escapes, and end no command
            stream.reconfigure(errors="backslashreplace")
    app()
