"""Merging one spec over another, knowing where components stand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jamie.core.registry import Registry
from jamie.spec.grammar import (
    as_term,
    component_fields,
    component_in,
    dict_item,
    section_of,
    settings_of,
    slot_kind,
    term_fields,
)
from jamie.spec.node import Node
from jamie.spec.sections import ALL_MODALITIES, LossTerm, Modality

Annotations = Callable[[str], Any]


def merge(base: Node | None, over: Node, annotation: Any, registry: Registry) -> Node:
    """Merge a value over another of the same type.

    Sections merge key by key; a component of another name replaces, one of the same name has its parameters merged;
    lists and scalars replace; null removes an entry of an open mapping (a loss, a modality), and elsewhere leads to
    the default.
    """
    if base is None or base.value is None or over.value is None:
        return over
    kind = slot_kind(annotation)
    if kind is not None:
        return _merge_component(base, over, kind, registry)
    section = section_of(annotation)
    if section is not None:
        types = {f.name: f.annotation for f in settings_of(section)}
        return _merge_mapping(base, over, types.get, registry)
    item = dict_item(annotation)
    if item is not None:
        return _merge_open(base, over, item, registry)
    return over


def merge_term(base: Node | None, over: Node, name: str, registry: Registry) -> Node:
    """Merge a loss's entry over another of the same loss."""
    if base is None or base.value is None or over.value is None:
        return over
    types = {f.name: f.annotation for f in term_fields(registry, name).values()}
    return _merge_mapping(as_term(base), as_term(over), types.get, registry)


def find_term(terms: Node, name: str, registry: Registry) -> str:
    """Return the key that a loss has among others, with its distribution or without; `name` where it is not there."""
    same = (key for key in terms.value if key != name and registry.are_same("loss", key, name))
    return name if name in terms.value else next(same, name)


def spread_every(modalities: Node, registry: Registry) -> Node:
    """Merge each named modality over ``"*"``, which is added where it is absent."""
    every = modalities.value.get(ALL_MODALITIES)
    if every is None or every.value is None:
        every = Node({}, modalities.mark)
    spread = {ALL_MODALITIES: (every, modalities.key_mark(ALL_MODALITIES))}
    for name, node in modalities.value.items():
        if name != ALL_MODALITIES:
            own = node if node.value is not None else Node({}, modalities.key_mark(name))
            spread[name] = (merge(every, own, Modality, registry), modalities.key_mark(name))
    return modalities.with_items(spread)


def _merge_component(base: Node, over: Node, kind: str, registry: Registry) -> Node:
    old, new = component_in(base), component_in(over)
    if old is None or new is None or not registry.are_same(kind, old[0], new[0]):
        return over
    name = new[0]
    types = {f.name: f.annotation for f in component_fields(registry, kind, name).values()}
    params = _merge_mapping(old[1], new[1], types.get, registry)
    return Node({name: params}, over.mark, {name: over.key_mark(name)})


def _merge_mapping(base: Node, over: Node, annotation_of: Annotations, registry: Registry) -> Node:
    if not isinstance(base.value, dict) or not isinstance(over.value, dict):
        return over
    merged = {
        key: (merge(base.value.get(key), node, annotation_of(key), registry), over.key_mark(key))
        for key, node in over.value.items()
    }
    result = base.with_items(merged)
    return Node(result.value, over.mark, result.keys)


def _merge_open(base: Node, over: Node, item: Any, registry: Registry) -> Node:
    if not isinstance(base.value, dict) or not isinstance(over.value, dict):
        return over
    found = {key: find_term(base, key, registry) if item is LossTerm else key for key in over.value}
    removed = {found[key] for key, node in over.value.items() if node.value is None and found[key] in base.value}
    merged = {}
    for key, node in over.value.items():
        known = found[key]
        if known not in removed:
            old = base.value.get(known)
            one = merge_term(old, node, key, registry) if item is LossTerm else merge(old, node, item, registry)
            merged[known] = (one, over.key_mark(key))
    result = base.with_items(merged)
    return Node({k: v for k, v in result.value.items() if k not in removed}, over.mark, result.keys)
