"""Tree of nodes + schema -> checked sections and component references; collects every problem."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from jamie.core.component import Component
from jamie.core.errors import JamieError
from jamie.core.registry import Registry
from jamie.core.schema import Field, fields_of, type_name
from jamie.core.suggest import nearest
from jamie.spec.files import find_file, places_tried
from jamie.spec.grammar import (
    allows_null,
    as_term,
    bare,
    component_in,
    dict_item,
    is_path,
    list_item,
    members,
    section_of,
    settings_of,
    slot_kind,
    term_fields,
)
from jamie.spec.problem import Mark, Problem, Source
from jamie.spec.ref import Ref, Written
from jamie.spec.sections import Header, LossTerm
from jamie.spec.suggest import choices, did_you_mean, unknown_component_hints
from jamie.spec.values import ValueMismatchError, example, expected, found, literals, validated
from jamie.spec.yaml_tree import Node, at, node_of


@dataclass
class Resolver:
    """Walks a tree along its schema.

    Parameters
    ----------
    registry
        The components that there are.
    need_files
        Whether a file that a spec names must exist.
    problems
        Everything found wrong; what is resolved may be used only where this stays empty.
    marks
        Where each key stands.
    """

    registry: Registry
    need_files: bool = True
    problems: list[Problem] = field(default_factory=list)
    marks: dict[str, Mark] = field(default_factory=dict)

    def section(self, cls: type, node: Node, key: str) -> Any:
        """Resolve a section: a mapping with known keys."""
        fields = {f.name: f for f in settings_of(cls)}
        values = self.fields(fields, node, key)
        return cls(**{name: values.get(name) for name in fields})

    def value(self, annotation: Any, node: Node, key: str) -> Any:
        """Resolve any value by its type."""
        self.marks[key] = node.mark
        if node.value is None and allows_null(annotation):
            return None
        kind, section = slot_kind(annotation), section_of(annotation)
        if kind is not None:
            return self.component(kind, node, key)
        if section is not None:
            return self.section(section, node, key)
        if isinstance(node.value, dict) and dict_item(annotation) is not None:
            return self._entries(dict_item(annotation), node, key)
        if isinstance(node.value, list) and list_item(annotation) is not None:
            return self._items(annotation, node, key)
        if is_path(annotation) and isinstance(node.value, str):
            return self._path(node, key)
        return self._scalar(annotation, node, key)

    def component(self, kind: str, node: Node, key: str) -> Ref[Any] | None:
        """Resolve a component: ``name`` or ``{name: {parameters}}``."""
        written = component_in(node)
        if written is None:
            hint = "one component is one key, its parameters stand below it" if isinstance(node.value, dict) else ""
            self._note(
                node.mark, key, f"expected a {kind}, `name` or `{{name: {{...}}}}`, found {found(node.plain())}", hint
            )
            return None
        name, params = written
        mark = node.key_mark(name)
        cls = self.registry.get(kind, name)
        if cls is None:
            hints = unknown_component_hints(self.registry, kind, name)
            self._note(mark, key, f"unknown {kind} '{name}'", *hints)
            return None
        return self._ref(cls, Node(params.value, mark, params.keys), fields_of(cls), f"{key}.{name}", alias=key)

    def term(self, name: str, node: Node, key: str, mark: Mark) -> LossTerm | None:
        """Resolve a loss's entry: its weight and schedule beside its own parameters."""
        cls = self.registry.get("loss", name)
        if cls is None:
            self._note(mark, key, f"unknown loss '{name}'", *unknown_component_hints(self.registry, "loss", name))
            return None
        if node.value is None:
            self._note(
                mark, key, "null removes a loss, and there is none to remove", f"write `{name}: {{}}` for its defaults"
            )
            return None
        entry, before = as_term(node), len(self.problems)
        values = self.fields(term_fields(self.registry, name), entry, key)
        ref: Ref[Any] = Ref("loss", name, cls, {f: values.get(f) for f in fields_of(cls)})
        if len(self.problems) > before:
            return None
        self._try_build(ref, mark, key)
        return LossTerm(weight=values["weight"], schedule=values["schedule"], component=ref)

    def fields(self, fields: Mapping[str, Field], node: Node, key: str) -> dict[str, Any]:
        """Resolve a mapping with known keys; those absent or null have their defaults."""
        if node.value is None:
            node = Node({}, node.mark)
        if not isinstance(node.value, dict):
            self._note(node.mark, key, f"expected a mapping, found {found(node.plain())}", _keys_hint(fields))
            return {}
        absent = [n for n, f in fields.items() if node.value.get(n, Node(None)).value is None]
        missing = [
            n for n in absent if fields[n].required and not (n in node.value and allows_null(fields[n].annotation))
        ]
        for name in [name for name in node.value if name not in fields]:
            renamed = nearest(name, missing, n=1)
            self._unknown_key(name, renamed, fields, node, key)
            missing = [one for one in missing if one not in renamed]
        for name in missing:
            self._missing(fields[name], node.mark, key)
        return {name: self._field(f, node, key) for name, f in fields.items() if name not in absent or not f.required}

    def _field(self, f: Field, node: Node, key: str) -> Any:
        below = f"{key}.{f.name}" if key else f.name
        given = node.value.get(f.name)
        if given is not None and (given.value is not None or allows_null(f.annotation)):
            self.marks[below] = given.mark
            return self.value(f.annotation, given, below)
        section = section_of(f.annotation)
        if section is not None and not allows_null(f.annotation):
            return self.section(section, Node({}, node.mark), below)
        return self.default(f.default, f.annotation, node.mark, below)

    def default(self, value: Any, annotation: Any, mark: Mark, key: str) -> Any:
        """Resolve a default: what is written in the grammar of a spec, or a component built without arguments."""
        if isinstance(value, Written):
            return self.value(annotation, _placed(value.value, mark), key)
        if isinstance(value, Component):
            return self._ref(type(value), Node({}, mark), fields_of(type(value)), key, alias=key)
        if isinstance(value, list | tuple):
            return type(value)(self.default(one, annotation, mark, key) for one in value)
        return dict(value) if isinstance(value, dict) else value

    def _ref(self, cls: type[Component], node: Node, fields: dict[str, Field], key: str, alias: str) -> Ref[Any]:
        before = len(self.problems)
        values = self.fields(fields, node, key)
        # `data.mudata.path` is also found as `data.path`, as `--set` accepts both
        for name in fields:
            if f"{key}.{name}" in self.marks:
                self.marks[f"{alias}.{name}"] = self.marks[f"{key}.{name}"]
        ref = Ref(cls.kind, cls.name, cls, values)
        if len(self.problems) == before:
            self._try_build(ref, node.mark, key)
        return ref

    def _try_build(self, ref: Ref[Any], mark: Mark, key: str) -> None:
        """Build a component that needs nothing but its parameters, so that what it refuses is reported here."""
        parameters = inspect.signature(ref.cls).parameters.values()
        needed = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD and p.default is p.empty]
        if needed or None in [ref.params[n] for n, f in fields_of(ref.cls).items() if f.required]:
            return
        try:
            ref.build()
        except (ValueError, JamieError) as error:
            self._note(mark, key, *str(error).splitlines())

    def _entries(self, item: Any, node: Node, key: str) -> dict[str, Any]:
        entries = {}
        for name, child in node.value.items():
            below = f"{key}.{name}"
            if item is LossTerm:
                self.marks[below] = child.mark
                entries[name] = self.term(name, child, below, node.key_mark(name))
            else:
                entries[name] = self.value(item, child, below)
        return entries

    def _items(self, annotation: Any, node: Node, key: str) -> Any:
        before = len(self.problems)
        values = [self.value(list_item(annotation), child, f"{key}[{i}]") for i, child in enumerate(node.value)]
        constraints = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
        if constraints and len(self.problems) == before:
            self._scalar(annotation, node, key)
        container = next(get_origin(bare(one)) for one in members(bare(annotation)) if list_item(one) is not None)
        return container(values) if container in (tuple, set, frozenset) else values

    def _path(self, node: Node, key: str) -> Any:
        path = find_file(node.value, node.mark.source)
        if path is None and self.need_files:
            self._note(node.mark, key, f"no such file '{node.value}'", places_tried(node.value, node.mark.source))
        return path or Path(node.value)

    def _scalar(self, annotation: Any, node: Node, key: str) -> Any:
        value = node.plain()
        try:
            return validated(annotation, value)
        except ValueMismatchError as problem:
            hint = did_you_mean(value, literals(annotation)) if isinstance(value, str) else ""
            if not hint and expected(annotation).startswith("text") and not isinstance(value, dict | list | None):
                hint = f"put it in quotes: '{value}'"
            self._note(node.mark, key, str(problem), hint)
            return None

    def _unknown_key(self, name: str, renamed: list[str], fields: Mapping[str, Field], node: Node, key: str) -> None:
        below = f"{key}.{name}" if key else name
        header = [] if key else fields_of(Header)
        if renamed:
            self._note(
                node.key_mark(name),
                below,
                f"unknown key '{name}', while '{renamed[0]}' is missing",
                f"renamed? write '{renamed[0]}'",
            )
        else:
            self._note(
                node.key_mark(name), below, f"unknown key '{name}'", choices(name, [*header, *fields], "allowed")
            )

    def _missing(self, f: Field, mark: Mark, key: str) -> None:
        kind = slot_kind(f.annotation)
        shown = self._example_component(kind) if kind else example(f.annotation)
        what = f"{f.name} ({kind or type_name(f.annotation)}): {f.description}" if f.description else ""
        self._note(mark, key, f"'{f.name}' is missing", what, f"for example `{f.name}: {shown}`")

    def _example_component(self, kind: str) -> str:
        for cls in self.registry.components(kind):
            params = ", ".join(f"{f.name}: {example(f.annotation)}" for f in fields_of(cls).values() if f.required)
            return f"{{{cls.name}: {{{params}}}}}" if params else cls.name
        return "name"

    def _note(self, mark: Mark, key: str, message: str, *hints: str) -> None:
        self.problems.append(Problem(mark, key, message, tuple(filter(None, hints))))


def _keys_hint(fields: Mapping[str, Field]) -> str:
    return f"keys: {', '.join(fields)}" if fields else ""


def _placed(value: Any, mark: Mark) -> Node:
    return at(node_of(value, Source()), mark)
