"""Commands that are components: looked up where jamie has none of the name, so that jamie itself starts quickly."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from jamie.cli.options import Plugins

if TYPE_CHECKING:
    from jamie.console.output import CommandOutput
    from jamie.core.interfaces import Command
    from jamie.core.interfaces.command import Shown
    from jamie.core.registry import Registry
    from jamie.core.schema import Field

ENTRY_POINT_GROUP = "jamie.commands"  # whose names `jamie --help` lists; nothing is imported for that


class Group(TyperGroup):
    """The commands of jamie, and behind them those of installed distributions and of the files of ``--plugin``."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands, those that distributions announce last."""
        own = super().list_commands(ctx)
        return [*own, *sorted(_announced().keys() - own)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command; one that a distribution announces is a stand-in, for the list."""
        found = super().get_command(ctx, cmd_name)
        if found is None and cmd_name in (announced := _announced()):
            return _stand_in(cmd_name, announced[cmd_name])
        return found

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that is called; all components are loaded only for a name that is not jamie's own."""
        if args[0] not in self.commands and not args[0].startswith("-"):
            command = find_command(args[0], _plugin_files(args[1:]))
            if command is not None:
                return args[0], command, args[1:]
        return super().resolve_command(ctx, args)


def find_command(name: str, files: Sequence[Path] = ()) -> Any | None:
    """Return a component of kind `command`, made into one of the command line; None if there is none of that name."""
    from jamie.console.errors import exit_on_error

    with exit_on_error():
        from jamie.builtins import load_registry

        registry = load_registry(files)
        cls = registry.get("command", name)
    return None if cls is None else _made(cls, registry)  # type: ignore[arg-type]  # of this kind


def _made(cls: type[Command], registry: Registry) -> Any:
    from jamie.core.schema import fields_of

    fields = fields_of(cls)

    def call(progress: Any, plugin: Any = None, **given: Any) -> CommandOutput:
        from jamie.core.context import Context

        component = _build(cls, registry, {key: value for key, value in given.items() if value is not None})
        return _shown(component.run(Context(stage=f"command {cls.name}").with_progress(progress)))

    parameters = [_parameter(f) for f in sorted(fields.values(), key=lambda f: not f.required)]
    parameters += [_keyword("plugin", Plugins, None), _keyword("progress", Any, None)]
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {}
    call.__doc__ = _help_text(cls)
    return _as_command(call, cls.name)


def _as_command(call: Any, name: str) -> Any:
    from jamie.cli.app import register

    single = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})
    register(single, call, name)
    return typer.main.get_command(single)


def _stand_in(name: str, provider: str) -> Any:
    from jamie.core.errors import PluginError

    def call() -> Any:
        fix = "`jamie plugins` says why"
        raise PluginError(f"command '{name}' of {provider} could not be loaded", fix=fix)

    call.__doc__ = f"Of {provider}."
    return _as_command(call, name)


def _announced() -> dict[str, str]:
    """Names of the commands that installed distributions announce, and of the distributions."""
    from importlib.metadata import entry_points

    try:
        return {one.name: one.dist.name if one.dist else one.value for one in entry_points(group=ENTRY_POINT_GROUP)}
    except Exception:  # the metadata of one distribution are damaged: the commands of jamie are listed all the same
        return {}


def _plugin_files(args: Sequence[str]) -> list[Path]:
    """Files of ``--plugin`` among the arguments of a command that is not known yet."""
    values = [one.removeprefix("--plugin=") for one in args if one.startswith("--plugin=")]
    values += [after for one, after in pairwise(args) if one == "--plugin"]
    return [Path(one) for one in values]


def _parameter(f: Field) -> inspect.Parameter:
    """Make an argument of a parameter without a default, a flag of a bool, an option of any other."""
    from jamie.core.schema import type_name

    if f.required:
        annotation = Annotated[str, typer.Argument(metavar=f.name.upper(), help=f.description)]
        return _keyword(f.name, annotation, inspect.Parameter.empty)
    dashed = f.name.replace("_", "-")
    if f.annotation is bool:
        names = f"--{dashed}/--no-{dashed}" if f.default else f"--{dashed}"
        return _keyword(f.name, Annotated[bool, typer.Option(names, help=f.description)], f.default)
    shown = "" if f.default is None else f" [{f.default}]"
    option = typer.Option(f"--{dashed}", metavar=type_name(f.annotation).upper(), help=f"{f.description}{shown}")
    return _keyword(f.name, Annotated[str | None, option], None)


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _build(cls: type[Command], registry: Registry, given: Mapping[str, Any]) -> Command:
    """Check the arguments as a spec's settings, and build the command."""
    from jamie.core.schema import fields_of
    from jamie.spec.grammar import bare, members
    from jamie.spec.node import Node, node_of
    from jamie.spec.problem import Mark, Source, spec_error
    from jamie.spec.resolve import Resolver
    from jamie.spec.yaml_tree import parse_yaml

    source, fields = Source("", (Path.cwd(),)), fields_of(cls)
    values = {}
    for key, value in given.items():
        is_text = not isinstance(value, str) or any(bare(one) in (str, Path) for one in members(fields[key].annotation))
        values[key] = node_of(value, source, key) if is_text else parse_yaml(value, source)
    resolver = Resolver(registry, need_files=False)
    ref = resolver.component("command", Node({registry.shown_name(cls): Node(values, Mark())}, Mark()), "jamie")
    if resolver.problems or ref is None:
        raise spec_error(resolver.problems)
    return ref.build()


def _shown(found: Shown) -> CommandOutput:
    from jamie.console.output import CommandOutput, rows_output

    if found is None or isinstance(found, str):
        text = found or ""
        return CommandOutput({"text": text}, text=text if text.endswith("\n") or not text else f"{text}\n")
    paths = [found] if isinstance(found, Path) else [one for one in found if isinstance(one, Path)]
    if paths:
        return CommandOutput({"files": [str(path) for path in paths]}, written=paths)
    return rows_output([one for one in found if isinstance(one, Mapping)])  # type: ignore[union-attr]  # no path


def _help_text(cls: type[Command]) -> str:
    """Docstring of a command without its sections, which the options show."""
    from jamie.spec.describe import description

    return "\n\n".join(filter(None, [cls.summary(), description(cls)]))
