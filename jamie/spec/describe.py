"""What there is to choose from: components and plugins, described from their own signatures and docstrings."""

from __future__ import annotations

import inspect
from typing import Any

from jamie.core.citations import cite
from jamie.core.component import Component
from jamie.core.errors import SpecError
from jamie.core.interfaces import KINDS
from jamie.core.registry import Registry
from jamie.core.schema import Field, fields_of, type_name
from jamie.core.suggest import choices
from jamie.spec.messages import describe_unknown
from jamie.spec.ref import to_plain


def list_components(registry: Registry, kind: str | None = None) -> list[dict[str, str]]:
    """Return kind, name, summary and provider of each component, of one kind or of all.

    Raises
    ------
    SpecError
        Where there is no such kind.
    """
    if kind is not None:
        require_kind(kind)
    return [
        {"kind": c.kind, "name": registry.shown_name(c), "summary": c.summary(), "provider": _provider(registry, c)}
        for c in registry.components(kind)
    ]


def describe_component(registry: Registry, kind: str, name: str) -> dict[str, Any]:
    """Return a component's summary, description, parameters, references and provider.

    Raises
    ------
    SpecError
        Where there is no such kind or component, with the nearest names.
    """
    require_kind(kind)
    cls = registry.get(kind, name)
    if cls is None:
        problem, hints = describe_unknown(registry, kind, name)
        raise SpecError(problem, fix="\n  ".join(hints))
    return {
        "kind": kind,
        "name": registry.shown_name(cls),
        "summary": cls.summary(),
        "description": description(cls),
        "parameters": [_describe_field(f) for f in fields_of(cls).values()],
        "requires": sorted(cls.requires),
        "references": [cite(reference) for reference in cls.references],
        "provider": _provider(registry, cls),
    }


def describe_providers(registry: Registry) -> list[dict[str, Any]]:
    """Return name, version, components, faults and their remedy of everything that provides components."""
    return [
        {
            "name": provider.name,
            "version": provider.version,
            "components": [f"{c.kind} {registry.shown_name(c)}" for c in provider.components],
            "error": "\n".join(map(str, provider.faults)),
            "fix": provider.fix,
        }
        for provider in registry.providers
    ]


def require_kind(kind: str) -> None:
    """Refuse a kind that does not exist."""
    if kind not in KINDS:
        raise SpecError(f"unknown kind '{kind}'", fix=choices(kind, KINDS, "kinds"))


def _describe_field(f: Field) -> dict[str, Any]:
    default = {} if f.required else {"default": _plain_default(f.default)}
    return {
        "name": f.name,
        "type": type_name(f.annotation),
        "required": f.required,
        **default,
        "description": f.description,
    }


def _plain_default(default: Any) -> Any:
    return default.name if isinstance(default, Component) else to_plain(default)


def description(cls: type[Component]) -> str:
    """Return the docstring between its first line and its first section."""
    lines = inspect.cleandoc(cls.__doc__ or "").splitlines()[1:]
    rules = [i for i, line in enumerate(lines) if line and set(line) == {"-"}]
    return "\n".join(lines[: rules[0] - 1] if rules else lines).strip()


def _provider(registry: Registry, cls: type[Component]) -> str:
    return str(registry.provider(cls))
