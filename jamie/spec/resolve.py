"""Tree of nodes + schema -> checked sections and component references; collects every problem."""

from __future__ import annotations

import functools
import inspect
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from jamie.core.component import Component
from jamie.core.errors import JamieError
from jamie.core.registry import Registry
from jamie.core.schema import Field, fields_of
from jamie.core.suggest import closest_names
from jamie.spec import messages
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
from jamie.spec.node import Node, at, node_of
from jamie.spec.problem import Mark, Source, SpecProblem
from jamie.spec.ref import Ref, SpecDefault, has_absent
from jamie.spec.saved import Saved
from jamie.spec.sections import Header, LossTerm
from jamie.spec.values import ValueMismatchError, describe_type, validate_value


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
    saved
        Of a spec that a run or a model has recorded, whose components need not all be here; None for one of the user.
    """

    registry: Registry
    need_files: bool = True
    problems: list[SpecProblem] = field(default_factory=list)
    marks: dict[str, Mark] = field(default_factory=dict)
    saved: Saved | None = None

    def fields(self, fields: Mapping[str, Field], node: Node, key: str) -> dict[str, Any]:
        """Resolve a mapping with known keys; those absent or null have their defaults."""
        if node.value is None:
            node = Node({}, node.mark)
        if not isinstance(node.value, dict):
            self.problems.append(messages.not_a_mapping(fields, node, key))
            return {}
        missing = [name for name, f in fields.items() if f.required and not _is_given(f, node)]
        self._report_keys(fields, missing, node, key)
        return {name: self._field(f, node, key) for name, f in fields.items() if name not in missing}

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

    def section(self, cls: type, node: Node, key: str) -> Any:
        """Resolve a section: a mapping with known keys."""
        fields = {f.name: f for f in settings_of(cls)}
        values = self.fields(fields, node, key)
        return cls(**{name: values.get(name) for name in fields})

    def component(self, kind: str, node: Node, key: str) -> Ref[Any] | None:
        """Resolve a component: ``name`` or ``{name: {parameters}}``."""
        written = component_in(node)
        if written is None:
            self.problems.append(messages.not_a_component(kind, node, key))
            return None
        name, params = written
        mark = node.key_mark(name)
        cls = self.registry.get(kind, name)
        if cls is None and self.saved is not None:
            return self.saved.stand_in(self.registry, kind, name, params.to_plain())
        if cls is None:
            self.problems.append(messages.unknown_component(self.registry, kind, name, mark, key))
            return None
        place = params.mark if not isinstance(params.value, dict) else mark
        return self._ref(cls, Node(params.value, place, params.keys), f"{key}.{name}", alias=key)

    def term(self, name: str, node: Node, key: str, mark: Mark) -> LossTerm | None:
        """Resolve a loss's entry: its weight and schedule beside its own parameters."""
        cls = self.registry.get("loss", name)
        if cls is None and self.saved is None:
            self.problems.append(messages.unknown_component(self.registry, "loss", name, mark, key))
            return None
        if node.value is None:
            fix = f"write `{name}: {{}}` to have it with its defaults"
            self.problems.append(SpecProblem(mark, key, "null removes a loss, and there is none to remove", (fix,)))
            return None
        before = len(self.problems)
        fields, entry = term_fields(self.registry, name), as_term(node)
        own = {key: entry.value[key] for key in entry.value if key not in fields} if cls is None else {}
        for parameter in own:
            entry = entry.without(parameter)
        values = self.fields(fields, entry, key)
        if len(self.problems) > before:
            return None
        ref: Ref[Any]
        if cls is None and self.saved is not None:
            ref = self.saved.stand_in(self.registry, "loss", name, {key: one.to_plain() for key, one in own.items()})
        else:
            assert cls is not None
            params = {f: values[f] for f in fields_of(cls)}
            ref = Ref("loss", cls.name, cls, params, self.registry.prefix(cls))
            self._try_build(ref, mark, key)
        return LossTerm(weight=values["weight"], schedule=values["schedule"], component=ref)

    def _report_keys(self, fields: Mapping[str, Field], missing: list[str], node: Node, key: str) -> None:
        """Note unknown and missing keys; one that resembles the other is one problem, not two."""
        header = [] if key else fields_of(Header)
        left = list(missing)
        for name in [name for name in node.value if name not in fields]:
            mark, below = node.key_mark(name), f"{key}.{name}" if key else name
            new, meant = messages.RENAMED_KEYS.get((key.rpartition(".")[2], name)), closest_names(name, left, n=1)
            if new is not None and new in fields:
                left = [other for other in left if other != new]
                self.problems.append(messages.renamed_key(name, new, mark, below))
            elif meant:
                left.remove(meant[0])
                self.problems.append(messages.misspelt_key(name, meant[0], mark, below))
            else:
                self.problems.append(messages.unknown_key(name, [*header, *fields], mark, below))
        self.problems += [messages.missing_key(fields[name], self.registry, node.mark, key) for name in left]

    def _field(self, f: Field, node: Node, key: str) -> Any:
        below = f"{key}.{f.name}" if key else f.name
        if _is_given(f, node):
            return self.value(f.annotation, node.value[f.name], below)
        section = section_of(f.annotation)
        if section is not None and not allows_null(f.annotation):
            return self.section(section, Node({}, node.mark), below)
        return self._default(f.default, f.annotation, node.mark, below)

    def _default(self, value: Any, annotation: Any, mark: Mark, key: str) -> Any:
        """Resolve a default: what is written in the grammar of a spec, or a component built without arguments."""
        if isinstance(value, SpecDefault):
            return self.value(annotation, at(node_of(value.value, Source()), mark), key)
        if isinstance(value, Component):
            return self._ref(type(value), Node({}, mark), key, alias=key)
        if isinstance(value, list | tuple):
            return type(value)(self._default(one, annotation, mark, key) for one in value)
        return dict(value) if isinstance(value, dict) else value

    def _ref(self, cls: type[Component], node: Node, key: str, alias: str) -> Ref[Any]:
        before, fields = len(self.problems), fields_of(cls)
        ref = Ref(cls.kind, cls.name, cls, self.fields(fields, node, key), self.registry.prefix(cls))
        # `data.mudata.path` is also found as `data.path`, since `--set` accepts both
        named = {f"{alias}.{name}": self.marks.get(f"{key}.{name}") for name in fields}
        self.marks.update({name: mark for name, mark in named.items() if mark is not None})
        if len(self.problems) == before:
            self._try_build(ref, node.mark, key)
        return ref

    def _try_build(self, ref: Ref[Any], mark: Mark, key: str) -> None:
        """Build a component that needs nothing but its parameters, so that what it refuses is reported here."""
        if has_absent(ref) or _takes_arguments(ref.cls):  # type: ignore[arg-type]  # classes can be hashed
            return
        try:
            ref.build()
        except (ValueError, JamieError) as error:
            message, *hints = str(error).splitlines() or [type(error).__name__]
            self.problems.append(SpecProblem(mark, key, message, tuple(hint.strip() for hint in hints)))

    def _entries(self, item: Any, node: Node, key: str) -> dict[str, Any]:
        entries = {}
        for name, child in node.value.items():
            below = f"{key}.{name}"
            self.marks[below] = child.mark
            is_term = item is LossTerm
            entries[name] = (
                self.term(name, child, below, node.key_mark(name)) if is_term else self.value(item, child, below)
            )
        return self._name_terms(entries, node, key) if item is LossTerm else entries

    def _name_terms(self, terms: Mapping[str, LossTerm | None], node: Node, key: str) -> dict[str, LossTerm | None]:
        """Name each term by its loss alone, unless others are called so too."""
        alone = Counter(term.component.name for term in terms.values() if term is not None)
        named: dict[str, LossTerm | None] = {}
        for written, term in terms.items():
            ref = None if term is None else term.component
            name = written if ref is None else ref.name if alone[ref.name] == 1 else ref.key
            if name in named:
                message, mark = f"expected each loss once, found {name} again", node.key_mark(written)
                self.problems.append(SpecProblem(mark, f"{key}.{written}", message, ("leave it out",)))
            named[name] = term
            if name != written:
                below = f"{key}.{written}"
                marks = {k: mark for k, mark in self.marks.items() if k == below or k.startswith(f"{below}.")}
                self.marks |= {f"{key}.{name}{k.removeprefix(below)}": mark for k, mark in marks.items()}
        return named

    def _items(self, annotation: Any, node: Node, key: str) -> Any:
        before = len(self.problems)
        values = [self.value(list_item(annotation), child, f"{key}[{i}]") for i, child in enumerate(node.value)]
        lists = [one for one in members(annotation) if list_item(one) is not None]
        limited = next((one for one in lists if get_origin(one) is Annotated), None)
        if limited is not None and len(self.problems) == before:
            self._check_length(limited, node, key)
        container = next(get_origin(bare(one)) for one in members(bare(annotation)) if list_item(one) is not None)
        return container(values) if container in (tuple, set, frozenset) else values

    def _check_length(self, annotation: Any, node: Node, key: str) -> None:
        limits = Annotated[(list[Any], *get_args(annotation)[1:])]  # the items themselves are checked already
        try:
            validate_value(limits, node.to_plain())
        except ValueMismatchError:
            message = f"expected {describe_type(annotation)}, found {len(node.value)}"
            self.problems.append(messages.mismatch(message, annotation, node, key))

    def _path(self, node: Node, key: str) -> Path:
        path = find_file(node.value, node.mark.source)
        is_recorded = self.saved is not None and key.startswith("plugins[")
        if path is None and self.need_files and not is_recorded:
            hint = places_tried(node.value, node.mark.source)
            self.problems.append(SpecProblem(node.mark, key, f"no such file '{node.value}'", (hint,)))
        return path or Path(node.value)

    def _scalar(self, annotation: Any, node: Node, key: str) -> Any:
        try:
            return validate_value(annotation, node.to_plain())
        except ValueMismatchError as problem:
            self.problems.append(messages.mismatch(str(problem), annotation, node, key))
            return None


def default_component(registry: Registry, kind: str, name: str) -> Ref[Any]:
    """Return a component with the defaults of all parameters."""
    cls = registry.get(kind, name)
    assert cls is not None
    return Resolver(registry)._ref(cls, Node({}), name, alias=name)


@functools.lru_cache(maxsize=512)
def _takes_arguments(cls: type[Component]) -> bool:
    """Whether a component is built with more than its parameters."""
    parameters = inspect.signature(cls).parameters.values()
    return any(p.kind is p.POSITIONAL_OR_KEYWORD and p.default is p.empty for p in parameters)


def _is_given(f: Field, node: Node) -> bool:
    """Whether a key is there; null stands for the default unless it is a value of the key's type."""
    return f.name in node.value and (node.value[f.name].value is not None or allows_null(f.annotation))
