"""The application, and how a function becomes one of its commands."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jamie.cli.plugin_commands import Group

if TYPE_CHECKING:
    from jamie.console.output import CommandOutput

HELP = "Joint variational autoencoders for single-cell multimodal integration and imputation."

app = typer.Typer(
    name="jamie",
    cls=Group,
    help=HELP,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

SHARED_OPTIONS = {
    "quiet": typer.Option("--quiet", help="Show warnings and errors only."),
    "json": typer.Option("--json", help="Print JSON, also for errors."),
    "debug": typer.Option("--debug", help="Show the traceback of an error."),
}


def command(
    name: str | None = None, *, quiet: bool = True
) -> Callable[[Callable[..., CommandOutput]], Callable[..., CommandOutput]]:
    """Register a function that returns what its command shows.

    Its parameters are the arguments and options of the command, which also has ``--json``, ``--debug`` and, with
    `quiet`, ``--quiet``. A parameter `progress` is no option: it is given what shows the progress.
    """

    def decorate(function: Callable[..., CommandOutput]) -> Callable[..., CommandOutput]:
        register(app, function, name or function.__name__, quiet=quiet)
        return function

    return decorate


def register(to: typer.Typer, function: Callable[..., CommandOutput], name: str, *, quiet: bool = True) -> None:
    """Register a function as a command, as `command` says."""
    parameters = dict(inspect.signature(function, eval_str=True).parameters)
    shows_progress = parameters.pop("progress", None) is not None
    shared = [
        inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Annotated[bool, option])
        for key, option in SHARED_OPTIONS.items()
        if quiet or key != "quiet"
    ]

    def run(*, json: bool, debug: bool, quiet: bool = False, **arguments: Any) -> None:
        from jamie.console.session import run_command

        def call(progress: Any) -> CommandOutput:
            return function(**arguments, **({"progress": progress} if shows_progress else {}))

        run_command(call, as_json=json, debug=debug, quiet=quiet)

    run.__doc__ = function.__doc__
    run.__signature__ = inspect.Signature([*parameters.values(), *shared])  # type: ignore[attr-defined]
    run.__annotations__ = {}
    to.command(name)(run)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("jamie-toolkit"))
        raise typer.Exit


@app.callback(help=HELP)
def _app(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take the options that stand before a command."""
