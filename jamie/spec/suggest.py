"""Hints for what was misspelt."""

from __future__ import annotations

from collections.abc import Iterable

from jamie.core.interfaces import KINDS
from jamie.core.registry import Registry
from jamie.core.suggest import closest_names


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``did you mean 'a' or 'b'?``; empty where nothing resembles the word."""
    found = [f"'{one}'" for one in closest_names(word, known)]
    return f"did you mean {' or '.join(filter(None, [', '.join(found[:-1]), found[-1]]))}?" if found else ""


def choices(word: str, known: Iterable[str], label: str) -> str:
    """``did you mean 'a'?   label: a, b, c``."""
    names = list(known)
    return "   ".join(filter(None, [did_you_mean(word, names), f"{label}: {', '.join(names) or 'none'}"]))


def unknown_component_hints(registry: Registry, kind: str, name: str) -> tuple[str, ...]:
    """Say which components there are in place of an unknown one: the nearest, all by provider, what did not load."""
    other = [k for k in KINDS if k != kind and registry.get(k, name)]
    elsewhere = f"'{name}' is a component of another kind: {', '.join(other)}" if other else ""
    listed = "   ".join(
        filter(None, [did_you_mean(name, registry.names(kind)), f"available: {_by_provider(registry, kind)}"])
    )
    broken = [f"{f'{p.name} {p.version}'.strip()} could not be loaded: {p.error}" for p in registry.broken]
    return (*filter(None, [elsewhere, listed]), *broken)


def _by_provider(registry: Registry, kind: str) -> str:
    names: dict[str, list[str]] = {"": []}
    for component in registry.components(kind):
        provider = registry.provider(component)
        group = "" if provider.name == "jamie" else f"{provider.name} {provider.version}".strip()
        names.setdefault(group, []).append(component.name)
    own = names.pop("")
    return (
        "; ".join([*([", ".join(own)] if own else []), *(f"from {g}: {', '.join(n)}" for g, n in names.items())])
        or "none"
    )
