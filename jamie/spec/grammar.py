"""What an annotation stands for in the grammar of a spec."""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Union

from jamie.core.component import Component
from jamie.core.registry import Registry
from jamie.core.schema import Field, fields_of
from jamie.spec.node import Node
from jamie.spec.ref import Ref
from jamie.spec.sections import LossTerm

_LISTS = (list, tuple, set, frozenset, Sequence)
_DICTS = (dict, Mapping)


def members(annotation: Any) -> tuple[Any, ...]:
    """Return the members of a union; the annotation itself otherwise."""
    return typing.get_args(annotation) if _is_union(annotation) else (annotation,)


def _is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (Union, types.UnionType)


def bare(annotation: Any) -> Any:
    """Return an annotation without its ``Annotated`` wrapping."""
    return typing.get_args(annotation)[0] if typing.get_origin(annotation) is Annotated else annotation


def allows_null(annotation: Any) -> bool:
    """Whether null is a value of this type."""
    return any(one in (None, type(None), Any) for one in members(bare(annotation)))


def slot_kind(annotation: Any) -> str | None:
    """Kind of component that stands here: ``Ref[K]`` in a section, ``K`` in a constructor; None for anything else."""
    for one in map(bare, members(bare(annotation))):
        target = typing.get_args(one)[0] if typing.get_origin(one) is Ref else one
        if inspect.isclass(target) and issubclass(target, Component):
            return target.kind
    return None


def section_of(annotation: Any) -> type | None:
    """Section that stands here; None for anything else."""
    for one in members(bare(annotation)):
        if inspect.isclass(one) and dataclasses.is_dataclass(one):
            return one
    return None


def list_item(annotation: Any) -> Any | None:
    """Type of the items of a list of any length; None for anything else."""
    for one in map(bare, members(bare(annotation))):
        origin, args = typing.get_origin(one), typing.get_args(one)
        if origin in _LISTS and args and (origin is not tuple or args[-1] is ...):
            return args[0]
    return None


def dict_item(annotation: Any) -> Any | None:
    """Type of the values of an open mapping; None for anything else."""
    for one in map(bare, members(bare(annotation))):
        if typing.get_origin(one) in _DICTS:
            return typing.get_args(one)[1]
    return None


def is_path(annotation: Any) -> bool:
    """Whether a file stands here."""
    return any(bare(one) is Path for one in members(bare(annotation)))


def component_in(node: Node | None) -> tuple[str, Node] | None:
    """Read ``name`` or ``{name: {parameters}}``; None where it is neither."""
    if node is None:
        return None
    if isinstance(node.value, str):
        return node.value, Node({}, node.mark)
    if isinstance(node.value, dict) and len(node.value) == 1:
        ((name, params),) = node.value.items()
        return name, params if params.value is not None else Node({}, node.key_mark(name))
    return None


def component_fields(registry: Registry, kind: str, name: str) -> Mapping[str, Field]:
    """Parameters of a component; none where there is no such component."""
    cls = registry.get(kind, name)
    return fields_of(cls) if cls else {}


def term_fields(registry: Registry, name: str) -> dict[str, Field]:
    """Keys of a loss's entry: the weight and schedule, and the loss's own parameters."""
    reserved = {key: f for key, f in fields_of(LossTerm).items() if key != "component"}
    return {**reserved, **component_fields(registry, "loss", name)}


def settings_of(section: type) -> Iterator[Field]:
    """Keys of a section."""
    return (f for f in fields_of(section).values() if not f.name.startswith("_"))


def as_term(node: Node) -> Node:
    """Return a loss's entry as a mapping: a bare number is its weight."""
    if isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return Node({"weight": node}, node.mark, {"weight": node.mark})
    return node
