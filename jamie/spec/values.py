"""Single values: validated by pydantic, described in plain words."""

from __future__ import annotations

import functools
import json
import typing
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, PydanticSchemaGenerationError, TypeAdapter, ValidationError

from jamie.core.errors import shorten
from jamie.core.schema import type_name
from jamie.spec.grammar import bare, dict_item, list_item, members, slot_kind

_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    Path: "the name of a file",
    type(None): "null",
}
_PLURALS = {int: "whole numbers", float: "numbers", str: "text", Path: "files", Any: "values"}
_LIMITS = {
    "ge": ">=",
    "gt": ">",
    "le": "<=",
    "lt": "<",
    "min_length": "of length at least",
    "max_length": "of length at most",
    "pattern": "that matches",
}
_LONGEST = 200  # of a text that is shown, in bytes
_EXAMPLES = {"int": "1", "float": "0.5", "bool": "true", "str": "name", "path": "file"}


class ValueMismatchError(Exception):
    """A value that does not fit, with what was expected; caught where its place is known."""


def validate_value(annotation: Any, value: Any) -> Any:
    """Return a plain value as the type of an annotation.

    Raises
    ------
    ValueMismatchError
        Saying what was expected and what was found.
    """
    try:
        # the strict reading of JSON has the types of a spec: an int is a float, but text or a bool is no number
        return _adapter(annotation).validate_json(json.dumps(value), strict=True)
    except PydanticSchemaGenerationError as error:
        raise ValueMismatchError(f"a spec cannot hold a value of type {type_name(annotation)}") from error
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] in ("value_error", "assertion_error"):
            raise ValueMismatchError(first["msg"].split(", ", 1)[-1]) from error
        if first["type"] == "finite_number":
            raise ValueMismatchError(f"expected a finite number, found {describe_value(value)}") from error
        raise ValueMismatchError(f"expected {describe_type(annotation)}, found {describe_value(value)}") from error


@functools.lru_cache(maxsize=512)
def _adapter(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation, config=ConfigDict(allow_inf_nan=False))


def describe_type(annotation: Any) -> str:
    """Describe a type: ``a whole number >= 1``, ``one of 'rows', 'paper'``."""
    inner = bare(annotation)
    if inner is not annotation:
        return f"{describe_type(inner)}{_range(annotation)}"
    options = members(annotation)
    if len(options) > 1:
        return " or ".join(describe_type(one) for one in options)
    if typing.get_origin(annotation) is Literal:
        listed = ", ".join(repr(one) for one in typing.get_args(annotation))
        return f"one of {listed}" if "," in listed else listed
    if typing.get_origin(annotation) is tuple and ... not in typing.get_args(annotation):
        return f"a list of {', '.join(describe_type(one) for one in typing.get_args(annotation))}"
    if list_item(annotation) is not None:
        return f"a list of {_plural(list_item(annotation))}"
    if dict_item(annotation) is not None:
        return f"a mapping of names to {_plural(dict_item(annotation))}"
    return _WORDS.get(annotation, type_name(annotation))


def _plural(annotation: Any) -> str:
    if slot_kind(annotation):
        return f"{slot_kind(annotation)}s"
    return _PLURALS.get(bare(annotation), type_name(annotation))


def _range(annotation: Any) -> str:
    limits: dict[str, Any] = {}
    for outer in typing.get_args(annotation)[1:]:
        for constraint in getattr(outer, "metadata", [outer]):
            limits.update(
                {name: getattr(constraint, name) for name in _LIMITS if getattr(constraint, name, None) is not None}
            )
    if limits.keys() == {"ge", "le"}:
        return f" from {limits['ge']} to {limits['le']}"
    said = " and ".join(f"{_LIMITS[name]} {limit}" for name, limit in limits.items())
    return f" {said}" if said else ""


def describe_value(value: Any) -> str:
    """Describe a value as one would write it."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "null"
    return repr(shorten(value, _LONGEST)) if isinstance(value, str) else json.dumps(value)


def literal_values(annotation: Any) -> list[str]:
    """Return the words that a value may be, of an annotation with literals."""
    options = [one for member in members(bare(annotation)) for one in _literal_args(bare(member))]
    return [one for one in options if isinstance(one, str)]


def _literal_args(annotation: Any) -> tuple[Any, ...]:
    return typing.get_args(annotation) if typing.get_origin(annotation) is Literal else ()


def example_value(annotation: Any) -> str:
    """Return a value that one might write."""
    inner = bare(members(bare(annotation))[0])
    if _literal_args(inner):
        return str(_literal_args(inner)[0])
    if dict_item(inner) is not None:
        return f"{{rna: {example_value(dict_item(inner))}}}"
    if list_item(inner) is not None:
        return f"[{example_value(list_item(inner))}]"
    return _EXAMPLES.get(type_name(inner), "...")
