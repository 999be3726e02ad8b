"""The tree of a spec's values; each knows its place."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jamie.spec.problem import Mark, Source, SpecProblem, spec_error

MOST_DEPTH = 50  # lists and mappings in one another
MOST_VALUES = 100_000
MOST_DIGITS = 100


@dataclass(frozen=True)
class Node:
    """A value of a spec and where it stands.

    Parameters
    ----------
    value
        A scalar, a list of nodes, or a dict of nodes.
    mark
        Where the value stands.
    keys
        Where the keys stand, of a dict.
    """

    value: Any
    mark: Mark = field(default_factory=Mark)
    keys: Mapping[str, Mark] = field(default_factory=dict)

    def to_plain(self) -> Any:
        """Return the value as plain Python."""
        if isinstance(self.value, dict):
            return {key: node.to_plain() for key, node in self.value.items()}
        return [node.to_plain() for node in self.value] if isinstance(self.value, list) else self.value

    def key_mark(self, key: str) -> Mark:
        """Where a key stands, or the value where it has no keys."""
        return self.keys.get(key, self.mark)

    def with_items(self, items: Mapping[str, tuple[Node, Mark]]) -> Node:
        """Return this mapping (or a new one in its place) with some items replaced or added."""
        old = self.value if isinstance(self.value, dict) else {}
        values = {**old, **{key: node for key, (node, _) in items.items()}}
        return Node(values, self.mark, {**self.keys, **{key: mark for key, (_, mark) in items.items()}})

    def below(self, *keys: str) -> Node | None:
        """Follow keys to a value; None if there is none, or null."""
        node: Node | None = self
        for key in keys:
            node = node.value.get(key) if node is not None and isinstance(node.value, dict) else None
        return None if node is None or node.value is None else node

    def without(self, key: str) -> Node:
        """Return this mapping without a key."""
        return Node({k: v for k, v in self.value.items() if k != key}, self.mark, self.keys)


def node_of(value: Any, source: Source, key: str = "", depth: int = 0) -> Node:
    """Turn plain Python into a node; `depth` says how many others hold it.

    Raises
    ------
    SpecError
        Where a value is of a type that a spec cannot hold, too deep or too large.
    """
    mark = Mark(source)
    if depth > MOST_DEPTH:
        problem = f"expected at most {MOST_DEPTH} lists and mappings in one another, found more"
        raise spec_error([SpecProblem(mark, key, problem)])
    if isinstance(value, Node):
        return value
    if isinstance(value, Mapping):
        items = {str(k): node_of(v, source, f"{key}.{k}" if key else str(k), depth + 1) for k, v in value.items()}
        return Node(items, mark)
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return Node([node_of(v, source, f"{key}[{i}]", depth + 1) for i, v in enumerate(value)], mark)
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, int) and abs(value) >= 10**MOST_DIGITS:
        raise spec_error([SpecProblem(mark, key, f"expected a number of at most {MOST_DIGITS} digits, found more")])
    if value is None or isinstance(value, str | bool | int | float):
        return Node(value, mark)
    raise spec_error(
        [SpecProblem(mark, key, f"expected text, a number, a list or a mapping, found {type(value).__name__}")]
    )


def at(node: Node, mark: Mark) -> Node:
    """Return the same tree with every node at one place."""
    value = node.value
    if isinstance(value, dict):
        value = {key: at(child, mark) for key, child in value.items()}
    elif isinstance(value, list):
        value = [at(child, mark) for child in value]
    return Node(value, mark)
