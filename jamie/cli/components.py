"""Commands about specs and the components that they name."""

from __future__ import annotations

from typing import Annotated

import typer

from jamie.cli.options import Debug, Json, Plugins, Sets, SpecFile


def validate(
    spec: SpecFile,
    sets: Sets = None,
    without_files: Annotated[
        bool, typer.Option("--without-files", help="Also where the files that it names are not here.")
    ] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Check a spec, and every run of a sweep, without reading data; prints it with all defaults filled in."""
    from jamie.console.errors import errors_shown, print_json

    with errors_shown(as_json=json, debug=debug):
        from jamie.spec import expand

        found = expand(spec, sets or [], reads_data=not without_files)
    checked = found.spec
    if checked.is_sweep:
        typer.echo(f"a sweep of {len(found.runs)} runs", err=True)
    if json:
        print_json(checked.to_plain())
    else:
        typer.echo(checked.to_yaml(), nl=False)


def list_(
    kind: Annotated[str | None, typer.Argument(metavar="[KIND]", help="Such as loss; all kinds by default.")] = None,
    plugin: Plugins = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List the components that a spec may name."""
    from jamie.console.errors import errors_shown, print_json, print_rows

    with errors_shown(as_json=json, debug=debug):
        from jamie.builtins import load_registry
        from jamie.spec.describe import list_components

        found = list_components(load_registry(plugin or ()), kind)
    if json:
        print_json(found)
    else:
        print_rows(found)


def show(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="Such as loss.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Such as kl.")],
    plugin: Plugins = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show a component: what it does, its parameters, its reference."""
    from jamie.console.errors import errors_shown, print_component, print_json

    with errors_shown(as_json=json, debug=debug):
        from jamie.builtins import load_registry
        from jamie.spec.describe import describe_component

        found = describe_component(load_registry(plugin or ()), kind, name)
    if json:
        print_json(found)
    else:
        print_component(found)


def plugins(plugin: Plugins = None, json: Json = False, debug: Debug = False) -> None:
    """List what provides components: the built-ins, installed distributions and files."""
    from jamie.console.errors import errors_shown, print_json, print_rows

    with errors_shown(as_json=json, debug=debug):
        from jamie.builtins import load_registry
        from jamie.spec.describe import describe_providers

        found = describe_providers(load_registry(plugin or ()))
    if json:
        print_json(found)
    else:
        print_rows(found)
