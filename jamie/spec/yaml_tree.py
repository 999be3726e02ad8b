"""YAML -> tree of nodes that know their places; YAML 1.2 scalars, no tags, no duplicate keys."""

from __future__ import annotations

import re
from typing import Any

import yaml

from jamie.spec.node import MOST_DEPTH, MOST_DIGITS, MOST_VALUES, Node
from jamie.spec.problem import Mark, Source, SpecProblem, spec_error

_TAG = "tag:yaml.org,2002:"
# the core schema of YAML 1.2.2, section 10.3.2; the int comes first because every int is also a float
_SCALARS = {
    "null": re.compile(r"^(?:~|null|Null|NULL|)$"),
    "bool": re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"),
    "int": re.compile(r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$"),
    "float": re.compile(
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
}


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str | None, Any] = {}  # noqa: RUF012  # replaced, so that YAML 1.1 is not inherited
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.depth += 1
        if self.depth > MOST_DEPTH:
            problem = f"expected at most {MOST_DEPTH} lists and mappings in one another, found more"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=self.peek_event().start_mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


class SpecDumper(yaml.SafeDumper):
    """Writes YAML that both YAML 1.1 and 1.2 read as the same values."""


for _name, _pattern in _SCALARS.items():
    _Loader.add_implicit_resolver(_TAG + _name, _pattern, None)
    SpecDumper.add_implicit_resolver(_TAG + _name, _pattern, None)


def parse_yaml(text: str, source: Source) -> Node:
    """Parse a YAML document.

    Raises
    ------
    SpecError
        With every duplicate key, tag and misplaced key; or with the first error of syntax.
    """
    try:
        tree = _Loader(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        raise spec_error([_syntax_problem(error, source)]) from error
    except yaml.YAMLError as error:  # a character that YAML does not allow
        raise spec_error([SpecProblem(Mark(source), "", f"not YAML: {str(error).splitlines()[0]}")]) from error
    converter = _Converter(source)
    node = converter.convert(tree, ()) if tree is not None else Node({}, Mark(source, 1, 1))
    if converter.problems:
        raise spec_error(converter.problems)
    return node


def _syntax_problem(error: yaml.MarkedYAMLError, source: Source) -> SpecProblem:
    mark = error.problem_mark or error.context_mark
    place = Mark(source, mark.line + 1, mark.column + 1) if mark else Mark(source)
    said = " ".join(filter(None, [error.context, error.problem]))
    hint = 'write "*" in quotes' if error.context == "while scanning an alias" else ""
    if "'\\t'" in said:
        hint = "indent with spaces, not with a tab"
    return SpecProblem(place, "", f"not YAML: {said}", (hint,) if hint else ())


class _Converter:
    """Turns PyYAML's nodes into ours, noting what a spec may not contain."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.problems: list[SpecProblem] = []
        self.n_values = 0

    def convert(self, node: yaml.Node, parents: tuple[yaml.Node, ...]) -> Node:
        self.n_values += 1
        if self.n_values > MOST_VALUES:  # aliases of aliases can stand for more than any memory holds
            problem = f"expected at most {MOST_VALUES:,} values, found more"
            raise spec_error([SpecProblem(self._mark(node), "", problem, ("repeat less by `*`, or divide the spec",))])
        if node in parents:
            self._note(node, "an alias within its own anchor")
            return Node(None, self._mark(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, (*parents, node))
        if isinstance(node, yaml.SequenceNode):
            self._check_tag(node, "seq")
            return Node([self.convert(child, (*parents, node)) for child in node.value], self._mark(node))
        return Node(self._scalar(node), self._mark(node))

    def _mapping(self, node: yaml.MappingNode, parents: tuple[yaml.Node, ...]) -> Node:
        self._check_tag(node, "map")
        values: dict[str, Node] = {}
        keys: dict[str, Mark] = {}
        merged: list[Node] = []
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._note(key_node, "expected a word as key, found a list or a mapping")
                continue
            key, value = key_node.value, self.convert(value_node, parents)
            if key == "<<" and key_node.style is None:
                merged += value.value if isinstance(value.value, list) else [value]
            elif key in values:
                self._note(key_node, f"key '{key}' is given twice, first in line {keys[key].line}")
            else:
                values[key], keys[key] = value, self._mark(key_node)
        for other in merged:
            if isinstance(other.value, dict):
                values, keys = {**other.value, **values}, {**other.keys, **keys}
            else:
                self.problems.append(SpecProblem(other.mark, "", "expected a mapping after '<<'"))
        return Node(values, self._mark(node), keys)

    def _scalar(self, node: yaml.Node) -> Any:
        kind, text = node.tag.removeprefix(_TAG), node.value
        if kind == "str":
            return text
        if kind not in _SCALARS or not _SCALARS[kind].match(text):
            self._note(node, f"expected a plain value, found the tag '{node.tag.replace(_TAG, '!!')}'")
            return None
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        if kind == "int" and len(text) > MOST_DIGITS:
            self._note(node, f"expected a number of at most {MOST_DIGITS} digits, found {len(text):,}")
            return None
        if kind == "int":
            return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
        return float(
            text.replace(".inf", "inf")
            .replace(".Inf", "inf")
            .replace(".INF", "inf")
            .replace(".n", "n")
            .replace(".N", "N")
        )

    def _check_tag(self, node: yaml.Node, expected: str) -> None:
        if node.tag != _TAG + expected:
            self._note(node, f"expected no tag, found '{node.tag.replace(_TAG, '!!')}'")

    def _note(self, node: yaml.Node, message: str) -> None:
        self.problems.append(SpecProblem(self._mark(node), "", message))

    def _mark(self, node: yaml.Node) -> Mark:
        start, end = node.start_mark, node.end_mark
        line = self.source.lines[start.line] if start.line < len(self.source.lines) else ""
        stop = end.column if end.line == start.line else len(line.rstrip())
        return Mark(self.source, start.line + 1, start.column + 1, max(1, stop - start.column))
