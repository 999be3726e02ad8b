"""Overrides: ``--set training.batch_size=256``, checked against the same schema as the spec."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jamie.core.errors import SpecError, shorten
from jamie.core.interfaces import KINDS
from jamie.core.registry import Registry
from jamie.core.schema import Field
from jamie.core.suggest import choices
from jamie.spec.grammar import (
    as_term,
    component_fields,
    component_in,
    dict_item,
    list_item,
    section_of,
    settings_of,
    slot_kind,
    term_fields,
)
from jamie.spec.merge import find_term, merge
from jamie.spec.node import Node, at, node_of
from jamie.spec.problem import Mark, Source, SpecProblem, spec_error
from jamie.spec.ref import SpecDefault
from jamie.spec.sections import ALL_MODALITIES, LossTerm, Modality, Spec
from jamie.spec.yaml_tree import parse_yaml


@dataclass(frozen=True)
class Override:
    """One setting from outside the spec.

    Parameters
    ----------
    path
        The dotted key, split.
    value
        What it is set to.
    mark
        Where the key stands; where the value does if None.
    """

    path: tuple[str, ...]
    value: Node
    mark: Mark | None = None


def parse_overrides(overrides: Iterable[str] | Mapping[str, Any], folders: tuple[Path, ...]) -> list[Override]:
    """Read ``"a.b=value"`` strings (values are YAML) or a mapping of dotted keys."""
    if isinstance(overrides, Mapping):
        source = Source("", folders)
        return [Override(path_of(key), node_of(value, source, key)) for key, value in overrides.items()]
    if isinstance(overrides, str):
        overrides = [overrides]
    return [_parse(text, Source(f"--set {shorten(text, 200)}", folders)) for text in overrides]


def _parse(text: str, source: Source) -> Override:
    key, equals, value = text.partition("=")
    mark = Mark(source)
    if not equals or not all(key.strip().split(".")):
        raise spec_error([SpecProblem(mark, "", "expected key=value", ("for example training.batch_size=256",))])
    try:
        node = parse_yaml(value, source) if value.strip() else Node(None)
    except SpecError as error:
        raise spec_error([SpecProblem(mark, key, problem.message) for problem in error.problems]) from error
    return Override(path_of(key.strip()), at(node, mark))


def path_of(key: str) -> tuple[str, ...]:
    """Split a dotted key; what is swept is a dotted key itself."""
    section, dot, swept = key.partition(".")
    return (section, swept) if section == "sweep" and dot else tuple(key.split("."))


def apply_overrides(tree: Node, overrides: Iterable[Override], registry: Registry, problems: list[SpecProblem]) -> Node:
    """Return the tree with settings replaced; a path that leads nowhere is added to the problems.

    Settings of every modality come first, as one of a single modality takes those over that there are by then.
    """
    for one in sorted(overrides, key=lambda override: override.path[:2] != ("modalities", ALL_MODALITIES)):
        try:
            tree = _Setter(registry, one).put(tree, Spec, one.path)
        except SpecError as error:
            problems += error.problems
    return tree


class _Setter:
    """Follows the path of one override along the schema.

    At a component, the next word of the path is the component's name or directly one of its parameters.
    """

    def __init__(self, registry: Registry, override: Override) -> None:
        self.registry = registry
        self.override = override
        self.mark = override.mark or override.value.mark

    def put(self, node: Node | None, annotation: Any, path: tuple[str, ...]) -> Node:
        if not path:
            return merge(node, self.override.value, annotation, self.registry)
        kind, section = slot_kind(annotation), section_of(annotation)
        if kind is not None:
            return self._in_component(node, kind, path)
        if section is not None:
            return self._in_fields(node, {f.name: f for f in settings_of(section)}, path)
        if dict_item(annotation) is not None:
            return self._in_mapping(node, annotation, path)
        if list_item(annotation) is not None and node is not None and isinstance(node.value, list):
            return self._in_list(node, list_item(annotation), path)
        raise self._refusal(path, "there are no keys below this one")

    def _in_fields(self, node: Node | None, fields: Mapping[str, Field], path: tuple[str, ...]) -> Node:
        name, *rest = path
        if name not in fields:
            raise self._refusal(path, f"unknown key '{name}'", choices(name, fields, "allowed"))
        node = node if node is not None and isinstance(node.value, dict) else Node({}, self.mark)
        default = fields[name].default
        old = node.value.get(name) or (node_of(default.value, Source()) if isinstance(default, SpecDefault) else None)
        return node.with_items({name: (self.put(old, fields[name].annotation, tuple(rest)), self.mark)})

    def _in_component(self, node: Node | None, kind: str, path: tuple[str, ...]) -> Node:
        current, (head, *rest) = component_in(node), path
        name, params = current or ("", Node({}, self.mark))
        fields = component_fields(self.registry, kind, name)
        is_named = head == name or (head not in fields and self.registry.are_same(kind, head, name))
        if not is_named and head in fields:
            rest = list(path)
        elif not is_named:
            if self.registry.get(kind, head) is None:
                known = [*fields, *self.registry.names(kind)]
                raise self._refusal(path, f"unknown key '{head}'", choices(head, known, "allowed"))
            name, params, fields = head, Node({}, self.mark), component_fields(self.registry, kind, head)
        new = self._in_fields(params, fields, tuple(rest)) if rest else self.override.value
        over = Node({name: new}, self.mark, {name: self.mark})
        return over if rest else merge(node, over, KINDS[kind], self.registry)

    def _in_mapping(self, node: Node | None, annotation: Any, path: tuple[str, ...]) -> Node:
        name, *rest = path
        node = node if node is not None and isinstance(node.value, dict) else Node({}, self.mark)
        if not rest:
            over = Node({name: self.override.value}, self.mark, {name: self.mark})
            return merge(node, over, annotation, self.registry)
        item = dict_item(annotation)
        name = find_term(node, name, self.registry) if item is LossTerm else name
        old = node.value.get(name)
        if item is LossTerm:
            entry = as_term(old) if old is not None else None
            return node.with_items(
                {name: (self._in_fields(entry, term_fields(self.registry, name), tuple(rest)), self.mark)}
            )
        if item is Modality and ALL_MODALITIES in node.value and name != ALL_MODALITIES:
            old = merge(node.value[ALL_MODALITIES], old or Node({}, self.mark), Modality, self.registry)
        return node.with_items({name: (self.put(old, item, tuple(rest)), self.mark)})

    def _in_list(self, node: Node, item: Any, path: tuple[str, ...]) -> Node:
        names = [(component_in(one) or ("",))[0] for one in node.value]
        by_name = path[0] in names
        index = names.index(path[0]) if by_name else int(path[0]) if path[0].isdecimal() else len(names)
        if index >= len(names):
            raise self._refusal(path, f"no '{path[0]}' in this list", choices(path[0], filter(None, names), "in it"))
        below = path if by_name else path[1:]
        items = list(node.value)
        items[index] = self.put(items[index], item, below)
        return Node(items, node.mark)

    def _refusal(self, path: tuple[str, ...], message: str, hint: str = "") -> SpecError:
        whole = self.override.path
        key = ".".join(whole[: len(whole) - len(path) + 1])
        return spec_error([SpecProblem(self.mark, key, message, (hint,) if hint else ())])
