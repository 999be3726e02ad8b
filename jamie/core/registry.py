"""The registry: every component that a run may use, from built-ins, installed distributions and files."""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
import inspect
import sys
import traceback
import typing
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from jamie.core import hookspecs
from jamie.core.component import Component
from jamie.core.errors import ContractError, JamieError, PluginError
from jamie.core.interfaces import KINDS
from jamie.core.requirements import problem_of_words
from jamie.core.schema import Field, fields_of


class _PluginManager(pluggy.PluginManager):
    """Takes any function whose name starts with ``jamie_`` for a hook, so that a misspelt one is noticed."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        marked = super().parse_hookimpl_opts(plugin, name)
        if marked is not None or not _is_hook(plugin, name):
            return marked
        return pluggy.HookimplOpts(
            wrapper=False, hookwrapper=False, optionalhook=False, tryfirst=False, trylast=False, specname=None
        )


def _is_hook(plugin: object, name: str) -> bool:
    """Whether a name of a plugin is a hook's; an imported module may be called jamie_... too."""
    return name.startswith("jamie_") and inspect.isroutine(getattr(plugin, name, None))


def _hooks_in(plugin: object) -> list[str]:
    return [name for name in dir(plugin) if _is_hook(plugin, name)]


class _ModulePlugin:
    """A module without a hook of its own: the components that it defines are its contribution."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module

    def jamie_components(self) -> list[type]:
        return components_in(self._module)


@dataclass(frozen=True)
class Provider:
    """Where components come from.

    Parameters
    ----------
    name
        ``jamie``, a distribution, or a file.
    version
        Of the distribution; empty for a file.
    components
        Those registered.
    error
        Why it could not be loaded, in one line; empty where it was.
    """

    name: str
    version: str = ""
    components: tuple[type[Component], ...] = ()
    error: str = ""


@dataclass
class Registry:
    """All components by kind and name; made anew for each run (`jamie.builtins.load_registry`).

    Parameters
    ----------
    providers
        Where components come from, in the order of their registration.

    Examples
    --------
    >>> from jamie.builtins import load_registry
    >>> "unioncom" in load_registry().names("correspondence")
    True
    """

    providers: list[Provider] = field(default_factory=list)
    _components: dict[str, dict[str, type[Component]]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    _provider_of: dict[type[Component], Provider] = field(default_factory=dict)
    _contents: dict[Path, bytes] = field(default_factory=dict)  # of plugin files

    def register(self, plugin: object, *, name: str, version: str = "") -> None:
        """Register what one plugin provides; all or nothing."""
        manager = _PluginManager("jamie")
        manager.add_hookspecs(hookspecs)
        if isinstance(plugin, ModuleType) and not _hooks_in(plugin):
            plugin = _ModulePlugin(plugin)
        try:
            manager.register(plugin, name=name)
            manager.check_pending()
        except pluggy.PluginValidationError as error:
            raise PluginError(_reworded(plugin, error), where=f"plugin {name}") from error
        found = [c for components in manager.hook.jamie_components() for c in components]
        for component in found:
            check_component(component)
        for component in found:  # only those that are right have a name to compare
            self._refuse_duplicate(component, found)
        provider = Provider(name, version, tuple(found))
        self.providers.append(provider)
        for component in found:
            self._components[component.kind][component.name] = component
            self._provider_of[component] = provider

    def register_entry_point(self, entry_point: importlib.metadata.EntryPoint) -> None:
        """Register an installed distribution; one that cannot be imported is recorded in `providers` with its error."""
        distribution = entry_point.dist.name if entry_point.dist else entry_point.name
        version = entry_point.dist.version if entry_point.dist else ""
        try:
            self.register(entry_point.load(), name=distribution, version=version)
        except (PluginError, ContractError):
            raise
        except Exception as error:  # a third party's import may fail in any way; it is named and isolated
            self.providers.append(Provider(distribution, version, error=f"{type(error).__name__}: {error}"))

    def register_file(self, path: Path) -> None:
        """Register a Python file.

        Raises
        ------
        PluginError
            Where it is absent, cannot be imported, or provides no component.
        """
        module = import_file(path)
        self._contents[path] = path.read_bytes()
        try:
            self.register(module, name=str(path))
        except JamieError:
            raise
        except Exception as error:  # the author's hook may fail in any way
            raise PluginError(
                f"hook 'jamie_components' raised {type(error).__name__}: {error}",
                where=f"plugin {path}",
                fix="return a list of component classes from it, or leave it out: those of the file are found",
            ) from error
        if not self.providers[-1].components:
            raise PluginError(
                "expected component classes, found none",
                where=f"plugin {path}",
                fix="define one as a subclass of an interface, such as jamie.Loss, and return it from jamie_components",
            )

    def _refuse_duplicate(self, component: type[Component], found: list[type[Component]]) -> None:
        known = self._components[component.kind]
        same = [c for c in found if c is not component and (c.kind, c.name) == (component.kind, component.name)]
        other = known.get(component.name) or (same[0] if same else None)
        if other is not None:
            raise ContractError(
                f"{component.kind} '{component.name}' is defined by both {_place(other)} and {_place(component)}",
                fix="rename one of them, or uninstall its distribution",
            )

    def get(self, kind: str, name: str) -> type[Component] | None:
        """Return a component class, None where there is none of that name."""
        return self._components[kind].get(name)

    def names(self, kind: str) -> tuple[str, ...]:
        """Sorted names of a kind."""
        return tuple(sorted(self._components[kind]))

    def components(self, kind: str | None = None) -> Iterator[type[Component]]:
        """Every component, of one kind or of all, sorted by name within each kind."""
        for one in KINDS if kind is None else (kind,):
            yield from (self._components[one][name] for name in self.names(one))

    def is_current(self) -> bool:
        """Whether its plugin files are as they were when they were registered."""
        return all(path.is_file() and path.read_bytes() == content for path, content in self._contents.items())

    def provider(self, component: type[Component]) -> Provider:
        """Where a component comes from."""
        return self._provider_of[component]

    @property
    def broken(self) -> list[Provider]:
        """Installed distributions that could not be imported."""
        return [provider for provider in self.providers if provider.error]


def components_in(module: ModuleType) -> list[type]:
    """Return the component classes that a module itself defines."""
    return [
        value
        for value in vars(module).values()
        if inspect.isclass(value)
        and issubclass(value, Component)
        and value.__module__ == module.__name__
        and not value.__name__.startswith("_")
        and value not in KINDS.values()
    ]


def import_builtin(name: str) -> ModuleType:
    """Import a module of a stage package, where people put files of their own.

    Raises
    ------
    PluginError
        Naming the file and line where it raises.
    """
    try:
        return importlib.import_module(name)
    except Exception as error:  # as of a plugin
        found = importlib.util.find_spec(name)
        path = (found and found.origin) or name
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
        line = error.lineno if isinstance(error, SyntaxError) and error.filename == path else (lines or [None])[-1]
        message = error.msg if isinstance(error, SyntaxError) else str(error)
        raise PluginError(
            f"raised on import: {type(error).__name__}: {message}",
            where=f"{path}:{line}" if line else path,
            fix="mend the file, or remove it",
        ) from error


def import_file(path: Path) -> ModuleType:
    """Import a Python file by its path.

    Raises
    ------
    PluginError
        Where the file is absent or raises.
    """
    if not path.is_file():
        raise PluginError(
            "no such file", where=f"plugin {path}", fix="put it there, or give a path relative to the spec"
        )
    name = f"jamie_plugin_{hashlib.sha1(str(path.resolve()).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PluginError("expected a Python file (.py)", where=f"plugin {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # the author's code may fail in any way
        del sys.modules[name]
        raise PluginError(
            f"raised on import: {type(error).__name__}: {error}",
            where=f"plugin {path}",
            fix=f"mend the file (`python {path}` shows where it fails), or do not name it as a plugin",
        ) from error
    return module


def check_component(component: Any) -> None:
    """Check what registration requires of a component class.

    Raises
    ------
    ContractError
        Naming the class and what it lacks.
    """
    if not (inspect.isclass(component) and issubclass(component, Component)):
        raise ContractError(
            f"expected a component class, found {component!r}", fix="subclass an interface, such as jamie.Loss"
        )
    problem = _problem_of(component)
    if problem:
        raise ContractError(problem, where=_place(component))


def _problem_of(component: type[Component]) -> str:
    if not any(issubclass(component, interface) for interface in KINDS.values()):
        return "expected a subclass of an interface, such as jamie.Loss"
    if inspect.isabstract(component):
        missing = ", ".join(sorted(component.__abstractmethods__))
        return f"this {component.kind} does not define {missing}"
    name = getattr(component, "name", None)
    if not isinstance(name, str) or not name.isidentifier():
        return f"expected a class attribute `name`, a word of letters, digits and _, found {name!r}"
    if "__doc__" not in vars(component) or not component.summary():
        return "expected a docstring whose first line says what the component is"
    words = problem_of_words(component.requires, component.kind, component.readable | component.other_words)
    if words:
        return words
    try:
        fields = fields_of(component)
    except (TypeError, NameError) as error:
        return str(error)
    return next(filter(None, map(_default_problem, fields.values())), "")


def _default_problem(field: Field) -> str:
    """Refuse a default of a nested component that a spec would lose: a name, or an instance with parameters."""
    options = (field.annotation, *typing.get_args(field.annotation))
    nested = [one for one in options if inspect.isclass(one) and issubclass(one, Component)]
    if nested and isinstance(field.default, str):
        kind = nested[0].kind
        return f"expected a {kind} as default of '{field.name}', found {field.default!r}; give an instance as default"
    if isinstance(field.default, Component) and not _alike(field.default, type(field.default)()):
        name = field.default.name
        return (
            f"expected {name} without parameters as default of '{field.name}', which is all that a spec knows of it; "
            "let the default be None, and build it in the constructor"
        )
    return ""


def _alike(one: Any, other: Any) -> bool:
    """Whether two components, or parameters of them, are the same."""
    if isinstance(one, Component):
        return type(one) is type(other) and all(_alike(value, vars(other)[key]) for key, value in vars(one).items())
    return bool(one == other)


def _reworded(plugin: object, error: pluggy.PluginValidationError) -> str:
    known = [name for name in vars(hookspecs) if name.startswith("jamie_")]
    misspelt = [name for name in _hooks_in(plugin) if name not in known]
    if misspelt:
        return f"unknown hook '{misspelt[0]}'; did you mean '{known[0]}'?"
    return f"hook '{known[0]}' takes no arguments ({str(error).splitlines()[-1].strip()})"


def _place(component: type) -> str:
    module = sys.modules.get(component.__module__)
    file = getattr(module, "__file__", None)
    shown = file if file and component.__module__.startswith("jamie_plugin_") else component.__module__
    return f"{component.__qualname__} in {shown}"
