"""Command line: parses and calls; no logic."""

from jamie.cli import commands  # noqa: F401  registers the commands
from jamie.cli.app import app

__all__ = ["app", "main"]


def main() -> None:
    """Entry point of the command `jamie`."""
    app()
