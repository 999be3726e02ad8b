"""Where components come from, what each offers, and what is wrong with it."""

from __future__ import annotations

import importlib.metadata
import inspect
import re
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pluggy

from jamie.core import hookspecs
from jamie.core.component import Component
from jamie.core.errors import JamieError, PluginError
from jamie.core.interfaces import KINDS


@dataclass(frozen=True)
class Fault:
    """Why a distribution, or a component of it, cannot be used.

    Parameters
    ----------
    problem
        In one line.
    kind, name
        Of the component; empty for the whole distribution, and as far as they are known.
    """

    problem: str
    kind: str = ""
    name: str = ""

    def __str__(self) -> str:
        what = f"{self.kind} {self.name}".strip()
        return f"{what}: {self.problem}" if what else self.problem


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
    faults
        Why it, or some of its components, cannot be used.
    prefix
        What stands before the colon in the names of its components, where they are not unique without it; empty for
        jamie and for a file.
    """

    name: str
    version: str = ""
    components: tuple[type[Component], ...] = ()
    faults: tuple[Fault, ...] = ()
    prefix: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.version}".strip()

    @property
    def fix(self) -> str:
        """What to do about its faults; empty where there are none."""
        remedies = f"`pip install --upgrade {self.name}`, or `pip uninstall {self.name}`, or mend it"
        return remedies if self.faults else ""


def distribution_key(name: str) -> str:
    """Return the name of a distribution as it stands before the colon: ``jamie-example`` for ``Jamie_Example``."""
    return re.sub(r"[-_.]+", "-", name).lower()


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


def components_in(module: ModuleType) -> list[type]:
    """Return the component classes that a module itself defines."""
    return [
        value
        for value in vars(module).values()
        if inspect.isclass(value)
        and Component in value.__mro__  # quicker than `issubclass`, which asks every subclass
        and value.__module__ == module.__name__
        and not value.__name__.startswith("_")
        and value not in KINDS.values()
    ]


def offers_of(plugin: object, name: str) -> list[object]:
    """Return what a plugin's hook gives, which need not be right; a module without a hook gives its components.

    Raises
    ------
    PluginError
        Where the hook is misspelt or takes arguments, or it raises.
    """
    manager = _PluginManager("jamie")
    manager.add_hookspecs(hookspecs)
    if isinstance(plugin, ModuleType) and not _hooks_in(plugin):
        plugin = _ModulePlugin(plugin)
    try:
        manager.register(plugin, name=name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(_reworded(plugin, error), where=f"plugin {name}") from error
    try:
        return [component for components in manager.hook.jamie_components() for component in components]
    except JamieError:  # of a built-in
        raise
    except (Exception, SystemExit) as error:  # the author's hook may fail in any way
        raise PluginError(
            f"hook 'jamie_components' raised {type(error).__name__}: {error}",
            where=f"plugin {name}",
            fix="return a list of component classes from it, or leave it out: those of the file are found",
        ) from error


def _reworded(plugin: object, error: pluggy.PluginValidationError) -> str:
    known = [name for name in vars(hookspecs) if name.startswith("jamie_")]
    misspelt = [name for name in _hooks_in(plugin) if name not in known]
    if misspelt:
        return f"unknown hook '{misspelt[0]}'; did you mean '{known[0]}'?"
    return f"hook '{known[0]}' takes no arguments ({str(error).splitlines()[-1].strip()})"


def name_and_version(entry_point: importlib.metadata.EntryPoint) -> tuple[str, str]:
    """Return name and version of the distribution of an entry point, as far as its metadata can be read."""
    try:
        distribution = entry_point.dist
        name = distribution.name if distribution else ""
        return name or entry_point.name, (distribution.version if distribution else "") or ""
    except Exception:  # metadata that are absent or damaged raise in a way of each version of Python
        return entry_point.name, ""


def offers_of_distribution(entry_point: importlib.metadata.EntryPoint, name: str) -> list[object]:
    """Import a distribution, and return what it offers.

    What it prints goes to standard error, as the output of a command may be read by programs.

    Raises
    ------
    PluginError
        Whatever it raises, up to SystemExit; only an interrupt by the user remains one.
    """
    if _is_found_by_chance(entry_point):
        problem = "it lies in the working directory and is not installed, so it is not executed"
        raise PluginError(problem, where=f"plugin {name}")
    with _note_signals() as signals:
        try:
            with redirect_stdout(sys.stderr):
                return offers_of(entry_point.load(), name)
        except PluginError:
            raise
        except BaseException as error:
            if signals and isinstance(error, KeyboardInterrupt):
                raise
            problem = f"raised on import: {type(error).__name__}: {error}".rstrip(": ")
            raise PluginError(problem, where=f"plugin {name}") from error


def _is_found_by_chance(entry_point: importlib.metadata.EntryPoint) -> bool:
    """Whether Python finds a distribution only because it runs in its folder, which may be a stranger's."""
    if "" not in sys.path or not isinstance(entry_point.dist, importlib.metadata.Distribution):
        return False
    here = Path.cwd().resolve()
    return Path(str(entry_point.dist.locate_file(""))).resolve() == here and not any(
        Path(folder).resolve() == here for folder in sys.path if folder
    )


@contextmanager
def _note_signals() -> Iterator[list[int]]:
    """Note signals, so that an interrupt by the user is not taken for one that a plugin raises by itself."""
    signals: list[int] = []
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(number)
            if callable(handler):

                def note(received: int, frame: object, handler: object = handler) -> None:
                    signals.append(received)
                    handler(received, frame)  # type: ignore[operator]  # it is callable

                before[number] = signal.signal(number, note)
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
