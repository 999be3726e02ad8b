"""The registry: every component that a run may use, from built-ins, installed distributions and files."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import inspect
import sys
import traceback
import typing
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from textwrap import shorten
from types import ModuleType
from typing import Any, cast

from jamie.core.component import Component
from jamie.core.errors import ContractError, JamieError, PluginError
from jamie.core.interfaces import KINDS
from jamie.core.plugin_files import PluginFile
from jamie.core.providers import (
    Fault,
    Provider,
    distribution_key,
    name_and_version,
    offers_of,
    offers_of_distribution,
)
from jamie.core.requirements import problem_of_words
from jamie.core.schema import Field, fields_of

BUILT_IN = "jamie"  # name of the provider of the built-ins
NAME_FILE = "say where it is: --plugin FILE, or plugins=[FILE] in Python"
LONGEST_PROBLEM = 300  # characters of a fault in one line

EntryPoints = Callable[[], Iterable[importlib.metadata.EntryPoint]]


class Registry:
    """All components by kind and name; made anew for each run (`jamie.builtins.load_registry`).

    The name of a component may stand alone, or behind that of its distribution: ``jamie-example:sparsity``. Alone it is
    the built-in's, or that of a file that the user names; only where there is none of these, that of the one
    distribution that has it. Distributions are imported when a name is looked for that is nowhere else.

    Parameters
    ----------
    entry_points
        Returns the entry points of the installed distributions; by default there are none.

    Examples
    --------
    >>> from jamie.builtins import load_registry
    >>> "unioncom" in load_registry().names("correspondence")
    True
    """

    def __init__(self, entry_points: EntryPoints = tuple) -> None:
        self._providers: list[Provider] = []
        self._own: dict[str, dict[str, type[Component]]] = {kind: {} for kind in KINDS}
        self._offered: dict[str, dict[str, dict[str, type[Component]]]] = {kind: {} for kind in KINDS}  # by prefix
        self._provider_of: dict[type[Component], Provider] = {}
        self._files: dict[Path, PluginFile] = {}
        self._named: set[str] = set()  # names of the files that the user has named
        self.refused: dict[Path, PluginError] = {}
        self._entry_points = entry_points
        self._pending: list[importlib.metadata.EntryPoint] | None = None  # until they are asked for

    def register(self, plugin: object, *, name: str, version: str = "") -> None:
        """Register what one plugin provides; all or nothing.

        Raises
        ------
        PluginError
            Where its hook is misspelt or raises.
        ContractError
            Where a component breaks the rules of registration, or has the name of another.
        """
        found = [check_component(component) for component in offers_of(plugin, name)]
        for component in found:  # only those that are right have a name to compare
            self._refuse_duplicate(component, found)
        self._add(Provider(name, version, tuple(found)))
        for component in found:
            self._own[component.kind][component.name] = component

    def register_file(self, path: Path) -> None:
        """Register a Python file that the user names, unless it is registered; from then on it is trusted.

        Raises
        ------
        JamieError
            Where it is absent, cannot be imported, or provides no component, or a wrong one.
        """
        if path.resolve() not in self._files:
            file = PluginFile.read(path)
            self._register(file)
            file.remember()
        self._named.add(path.name)

    def register_file_of_others(self, path: Path) -> None:
        """Register a Python file that a saved spec names; it is `refused` unless the user has run it before.

        One of that name that the user has named is taken in its place.
        """
        path = path.resolve()
        if path in self._files or path.name in self._named:
            return
        where = f"plugin {path}"
        if not path.is_file():
            self.refused[path] = PluginError("no such file", where=where, fix=NAME_FILE)
            return
        try:
            file = PluginFile.read(path)
            if file.is_trusted:
                self._register(file)
            else:
                problem = f"not executed (SHA-256 {file.sha256}), as you have neither named it nor run it before"
                fix = f"look at what it does; to execute it: --plugin {path}, or plugins=['{path}'] in Python"
                self.refused[path] = PluginError(problem, where=where, fix=fix)
        except JamieError as error:
            problem = error.problem if error.where == where else f"{error.where}: {error.problem}"
            self.refused[path] = PluginError(problem, where=where, fix=error.fix)

    def _register(self, file: PluginFile) -> None:
        module = file.execute()
        self._files[file.path.resolve()] = file
        self.register(module, name=str(file.path))
        if not self._providers[-1].components:
            raise PluginError(
                "expected component classes, found none",
                where=f"plugin {file.path}",
                fix="define one as a subclass of an interface, such as jamie.Loss, and return it from jamie_components",
            )

    def register_entry_point(self, entry_point: importlib.metadata.EntryPoint) -> None:
        """Register what is right of an installed distribution; what is wrong are the `faults` of its provider."""
        name, version = name_and_version(entry_point)
        provider = Provider(name, version, prefix=distribution_key(name))
        try:
            offers = offers_of_distribution(entry_point, provider.name)
            found, faults = self._sort(offers, provider.prefix)
            if not offers:
                faults = [Fault("expected component classes, found none")]
        except Exception as error:  # also of a class that raises when it is looked at
            problem = error.problem if isinstance(error, JamieError) else f"{type(error).__name__}: {error}"
            found, faults = [], [Fault(_in_one_line(problem))]
        self._add(replace(provider, components=tuple(found), faults=tuple(faults)))
        for component in found:
            self._offered[component.kind].setdefault(component.name, {})[provider.prefix] = component

    def _sort(self, offers: Iterable[object], prefix: str) -> tuple[list[type[Component]], list[Fault]]:
        """Return the components that can be used, and what is wrong with the others."""
        found: list[type[Component]] = []
        faults = []
        for offer in offers:
            fault, component = _fault_of(offer), cast("type[Component]", offer)
            if fault is not None:
                faults.append(fault)
            elif component not in (*found, *self._own[component.kind].values()):  # it may hand on those of jamie
                found.append(component)
        before = [self._offered[c.kind].get(c.name, {}).get(prefix, c) for c in found]
        counts = Counter((c.kind, c.name) for c in {*found, *before})
        double = {key: n for key, n in counts.items() if n > 1}
        faults += [Fault(f"this distribution defines it {n} times", *key) for key, n in double.items()]
        return [c for c in found if (c.kind, c.name) not in double], faults

    def _add(self, provider: Provider) -> None:
        self._providers.append(provider)
        self._provider_of = dict.fromkeys(provider.components, provider) | self._provider_of

    def _import_distributions(self, prefix: str | None = None) -> None:
        """Import those of a name, or all, that are not imported yet."""
        if self._pending is None:
            self._pending = list(self._entry_points())
        wanted = [one for one in self._pending if prefix in (None, distribution_key(name_and_version(one)[0]))]
        self._pending = [one for one in self._pending if one not in wanted]
        for entry_point in wanted:
            self.register_entry_point(entry_point)

    def _refuse_duplicate(self, component: type[Component], found: list[type[Component]]) -> None:
        known = self._own[component.kind]
        same = [c for c in found if c is not component and (c.kind, c.name) == (component.kind, component.name)]
        other = known.get(component.name) or (same[0] if same else None)
        if other is not None:
            raise ContractError(
                f"{component.kind} '{component.name}' is defined by both {_place(other)} and {_place(component)}",
                fix="rename one of them",
            )

    def get(self, kind: str, name: str) -> type[Component] | None:
        """Return a component class, None where there is none of that name, or several distributions have it."""
        prefix, colon, bare = name.rpartition(":")
        if not colon:
            own = self._own[kind].get(name)
            owners = () if own is not None else self.owners(kind, name)
            return next(iter(self._offered[kind][name].values())) if len(owners) == 1 else own
        if prefix == BUILT_IN:
            own = self._own[kind].get(bare)
            return own if own is not None and self.provider(own).name == BUILT_IN else None
        self._import_distributions(distribution_key(prefix))
        return self._offered[kind].get(bare, {}).get(distribution_key(prefix))

    def owners(self, kind: str, name: str) -> tuple[Provider, ...]:
        """Return the distributions that have a component of that name."""
        self._import_distributions()
        return tuple(self._provider_of[one] for one in dict.fromkeys(self._offered[kind].get(name, {}).values()))

    def faulty(self, kind: str, name: str) -> tuple[tuple[Provider, Fault], ...]:
        """Return what is wrong with the components of that name, or with the distribution that it names."""
        prefix, colon, bare = name.rpartition(":")
        providers = [p for p in self.broken if not colon or p.prefix == distribution_key(prefix)]
        concerned = {(kind, bare), *([("", "")] if colon else [])}
        return tuple((p, fault) for p in providers for fault in p.faults if (fault.kind, fault.name) in concerned)

    def are_same(self, kind: str, one: str, other: str) -> bool:
        """Whether two names, with a distribution or without, are of one component."""
        if one == other or ":" not in one + other:
            return one == other
        component = self.get(kind, one)
        return component is not None and component is self.get(kind, other)

    def prefix(self, component: type[Component]) -> str:
        """Return the distribution of a component; empty for a built-in and one of a file."""
        provider = self._provider_of.get(component)
        return provider.prefix if provider else ""

    def key(self, component: type[Component]) -> str:
        """Name that stays unique whatever else is installed."""
        return ":".join(filter(None, [self.prefix(component), component.name]))

    def shown_name(self, component: type[Component]) -> str:
        """Shortest name that a spec may write."""
        return component.name if self.get(component.kind, component.name) is component else self.key(component)

    def names(self, kind: str) -> tuple[str, ...]:
        """Sorted names of a kind, as a spec may write them."""
        return tuple(sorted(map(self.shown_name, self.components(kind))))

    def components(self, kind: str | None = None) -> Iterator[type[Component]]:
        """Every component, of one kind or of all, sorted by name within each kind."""
        self._import_distributions()
        for one in KINDS if kind is None else (kind,):
            offered = {component for same in self._offered[one].values() for component in same.values()}
            yield from sorted([*self._own[one].values(), *offered], key=lambda c: (c.name, self.key(c)))

    def is_current(self, plugins: Iterable[Path] = ()) -> bool:
        """Whether its plugin files are as they were when they were read, and hold all that the user names."""
        unchanged = all(path.is_file() and path.read_bytes() == file.content for path, file in self._files.items())
        return unchanged and not self.refused and {path.resolve() for path in plugins} <= {*self._files}

    def file_of(self, provider: Provider) -> PluginFile | None:
        """Return the plugin file that a provider is; None for a distribution."""
        return self._files.get(Path(provider.name).resolve())

    def has(self, component: type[Component]) -> bool:
        """Whether a class is registered."""
        return component in self._provider_of

    def provider(self, component: type[Component]) -> Provider:
        """Where a component comes from."""
        return self._provider_of[component]

    @property
    def providers(self) -> tuple[Provider, ...]:
        """Where components come from, in the order of their registration."""
        self._import_distributions()
        return tuple(self._providers)

    @property
    def broken(self) -> list[Provider]:
        """Installed distributions of which something cannot be used."""
        return [provider for provider in self.providers if provider.faults]


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


def check_component(component: Any) -> type[Component]:
    """Check what registration requires of a component class, and return it.

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
    return component


def _fault_of(offer: Any) -> Fault | None:
    """Return what is wrong with one component of a distribution; None for one that can be used."""
    try:
        check_component(offer)
        return None
    except ContractError as error:
        problem = f"{error.where}: {error.problem}" if error.where else error.problem
    except Exception as error:  # a class of others may raise at any attribute or annotation
        problem = f"{type(error).__name__}: {error}"
    kind, name = (getattr(offer, attribute, None) for attribute in ("kind", "name"))
    is_named = inspect.isclass(offer) and isinstance(kind, str)
    called = name if isinstance(name, str) else getattr(offer, "__qualname__", "")
    return Fault(_in_one_line(problem), *((kind, called) if is_named else ()))


def _in_one_line(text: str) -> str:
    return shorten(text, LONGEST_PROBLEM, placeholder=" ...")


def _problem_of(component: type[Component]) -> str:
    # `issubclass` would ask every subclass of every interface
    interfaces = [interface for interface in KINDS.values() if interface in component.__mro__]
    if not interfaces:
        return "expected a subclass of an interface, such as jamie.Loss"
    if component.kind not in [interface.kind for interface in interfaces]:
        return f"expected the kind of its interface, {interfaces[0].kind}, found {component.kind!r}; leave `kind` out"
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


def _place(component: type) -> str:
    module = sys.modules.get(component.__module__)
    file = getattr(module, "__file__", None)
    shown = file if file and component.__module__.startswith("jamie_plugin_") else component.__module__
    return f"{component.__qualname__} in {shown}"
