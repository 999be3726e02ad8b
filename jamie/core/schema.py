"""A constructor's keyword-only parameters, read as a schema."""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

MISSING = inspect.Parameter.empty


@dataclass(frozen=True)
class Field:
    """One parameter.

    Parameters
    ----------
    name
        Its key in a spec.
    annotation
        Its type; a subclass of `Component` stands for a nested component.
    default
        `MISSING` where it must be given.
    description
        From the class's docstring.
    """

    name: str
    annotation: Any
    default: Any = MISSING
    description: str = ""

    @property
    def required(self) -> bool:
        """Whether there is no default."""
        return self.default is MISSING


@lru_cache(maxsize=1024)
def fields_of(cls: type) -> Mapping[str, Field]:
    """Return the schema of a class: the keyword-only parameters of its constructor, less those `reserved`.

    It is read once for each class, as every registry and every spec asks for it.

    Raises
    ------
    TypeError
        Where a parameter is not annotated, an annotation cannot be resolved, or the constructor takes ``**kwargs``.
    """
    constructor: Any = inspect.getattr_static(cls, "__init__")
    if constructor is object.__init__:
        return MappingProxyType({})
    hints = typing.get_type_hints(constructor, include_extras=True)
    described = parameter_descriptions(cls)
    reserved: frozenset[str] = getattr(cls, "reserved", frozenset())
    fields = {}
    for parameter in inspect.signature(constructor).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD and constructor.__qualname__.startswith(f"{cls.__qualname__}."):
            raise TypeError(f"the constructor takes **{parameter.name}; name each parameter instead")
        if parameter.kind is not parameter.KEYWORD_ONLY or parameter.name in reserved:
            continue
        if parameter.name not in hints:
            raise TypeError(f"the constructor's parameter '{parameter.name}' has no type annotation")
        name = parameter.name
        fields[name] = Field(name, hints[name], _default_of(cls, parameter), described.get(name, ""))
    return MappingProxyType(fields)


def _default_of(cls: type, parameter: inspect.Parameter) -> Any:
    """Return a parameter's default; a dataclass hides those made by a factory behind a marker."""
    factories = {f.name: f.default_factory for f in dataclasses.fields(cls)} if dataclasses.is_dataclass(cls) else {}
    factory = factories.get(parameter.name, dataclasses.MISSING)
    return parameter.default if factory is dataclasses.MISSING else factory()


def parameter_descriptions(cls: type) -> dict[str, str]:
    """Read the descriptions under ``Parameters`` in a numpy-style class docstring."""
    doc = inspect.cleandoc(cls.__doc__ or "")
    section = re.search(r"^Parameters\n-+\n(.*?)(?=^\S[^\n]*\n-+\n|\Z)", doc, re.M | re.S)
    descriptions: dict[str, str] = {}
    names: list[str] = []
    for line in section.group(1).splitlines() if section else ():
        if line and not line[0].isspace():
            names = [name.strip() for name in line.split(":")[0].split(",")]
        elif line.strip():
            for name in names:
                descriptions[name] = f"{descriptions.get(name, '')} {line.strip()}".strip()
    return descriptions


def type_name(annotation: Any) -> str:
    """Write a type as a user would read it: ``int``, ``list[str]``, ``'auto' | int``."""
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return type_name(args[0])
    if origin is typing.Literal:
        return " | ".join(repr(arg) for arg in args)
    if annotation is type(None):
        return "null"
    if origin in (typing.Union, types.UnionType):
        return " | ".join(type_name(arg) for arg in args)
    if origin is not None:
        return f"{origin.__name__.lower()}[{', '.join(type_name(arg) for arg in args if arg is not ...)}]"
    kind = getattr(annotation, "kind", None)
    return kind if isinstance(kind, str) else getattr(annotation, "__name__", str(annotation)).lower()
