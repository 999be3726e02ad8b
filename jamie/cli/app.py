"""The application itself: its name, its help, `--version`."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(
    name="jamie",
    help="Joint variational autoencoders for single-cell multimodal integration and imputation.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(version("jamie-toolkit"))
        raise typer.Exit


@app.callback()
def _app(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Joint variational autoencoders for single-cell multimodal integration and imputation."""
