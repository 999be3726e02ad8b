"""Built-in components: found by walking the stage packages, offered through the same hook as third parties'."""

from __future__ import annotations

import importlib
import importlib.metadata
import pkgutil
import sys
from collections.abc import Iterable
from pathlib import Path

from jamie.core.registry import Registry, components_in, import_builtin

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
    """Register the built-ins, the installed distributions and the given plugin files.

    Raises
    ------
    PluginError
        Where a file cannot be imported, or a hook is misspelt. A distribution that cannot be imported is recorded
        in `Registry.broken` instead, and is fatal only once a spec asks for something that is missing.
    ContractError
        Where a component breaks the rules of registration, or two of a kind have the same name.
    """
    registry = Registry()
    registry.register(sys.modules[__name__], name="jamie", version=_version_of("jamie-toolkit"))
    for entry_point in importlib.metadata.entry_points(group=ENTRY_POINT_GROUP):
        registry.register_entry_point(entry_point)
    for file in files:
        registry.register_file(file)
    return registry


def _version_of(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""
