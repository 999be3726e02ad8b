"""Built-in components: found by walking the stage packages, offered through the same hook as third parties'."""

from __future__ import annotations

import importlib
import importlib.metadata
import pkgutil
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from jamie.core.providers import components_in
from jamie.core.registry import BUILT_IN, Registry, import_builtin

STAGES = (
    "data",
    "preprocess",
    "correspondence",
    "model",
    "losses",
    "training",
    "methods",
    "metrics",
    "explain",
    "report",
)
ENTRY_POINT_GROUP = "jamie"


def jamie_components() -> list[type]:
    """Return every component defined in a module of the stage packages."""
    found: list[type] = []
    for stage in STAGES:
        package = importlib.import_module(f"jamie.{stage}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            found += components_in(import_builtin(module.name))
    return found


def load_registry(files: Iterable[Path] = ()) -> Registry:
    """Register the built-ins and the given plugin files; installed distributions once a name is nowhere else.

    What is wrong with a distribution is recorded in `Registry.broken`, and concerns only what names it.

    Raises
    ------
    PluginError
        Where a file cannot be imported, or a hook of one is misspelt.
    ContractError
        Where a component of a file breaks the rules of registration, or has the name of another.
    """
    registry = Registry(installed_entry_points)
    registry.register(sys.modules[__name__], name=BUILT_IN, version=_version_of("jamie-toolkit"))
    for file in files:
        registry.register_file(file)
    return registry


def installed_entry_points() -> list[importlib.metadata.EntryPoint]:
    """Return the entry points of installed distributions; one whose metadata cannot be read has none."""
    readable: dict[str, list[importlib.metadata.EntryPoint]] = {}
    for distribution in importlib.metadata.distributions():
        entry_points, name = [], f"unnamed {len(readable)}"
        with suppress(Exception):  # damaged metadata raise in a way of each version of Python
            entry_points = list(distribution.entry_points.select(group=ENTRY_POINT_GROUP))
            name = distribution.name or name
        if entry_points:
            readable.setdefault(name, entry_points)  # of one name the first counts
    return [entry_point for entry_points in readable.values() for entry_point in entry_points]


def _version_of(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""
