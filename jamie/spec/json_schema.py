"""JSON Schema of specs, by which editors complete and check them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from pydantic import TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError

from jamie.core.component import Component
from jamie.core.interfaces import KINDS
from jamie.core.registry import Registry
from jamie.core.schema import Field, fields_of
from jamie.spec.documents import preset_names
from jamie.spec.grammar import (
    allows_null,
    bare,
    dict_item,
    list_item,
    members,
    section_of,
    settings_of,
    slot_kind,
    term_fields,
)
from jamie.spec.ref import to_plain
from jamie.spec.sections import FORMAT, Header, LossTerm, Spec

DIALECT = "https://json-schema.org/draft/2020-12/schema"
NULL = {"type": "null"}

Schema = dict[str, Any]


def json_schema(registry: Registry) -> Schema:
    """Return a JSON Schema (2020-12) of specs that name the components of a registry.

    It describes a file as it is written, before it is merged with its preset and with what it extends: null stands for
    a default, and `data` may come from elsewhere.

    Parameters
    ----------
    registry
        Components that a spec may name.
    """
    header = _properties(fields_of(Header).values())
    header["jamie"] = {"const": FORMAT, "description": fields_of(Header)["jamie"].description}
    names: list[Schema] = [{"enum": preset_names()}, NULL]
    header["preset"] = {"anyOf": names, "description": fields_of(Header)["preset"].description}
    settings = _properties(settings_of(Spec))
    settings["losses"] = _described(_losses(registry), fields_of(Spec)["losses"])
    return {
        "$schema": DIALECT,
        "title": "A spec of jamie",
        "type": "object",
        "properties": {**header, **settings},
        "additionalProperties": False,
        "anyOf": [{"required": ["data"]}, {"required": ["extends"]}],
        "$defs": {name: schema for kind in KINDS for name, schema in _components(registry, kind).items()} | _sections(),
    }


def _sections() -> dict[str, Schema]:
    """Return a definition of each section of a spec, by the name of its class."""
    found: dict[str, Schema] = {}
    waiting = [section for f in settings_of(Spec) for section in _sections_in(f.annotation)]
    while waiting:
        section = waiting.pop()
        if section.__name__ not in found:
            fields = list(settings_of(section))
            found[section.__name__] = _mapping(_properties(fields), required=[f.name for f in fields if f.required])
            waiting += [one for f in fields for one in _sections_in(f.annotation)]
    return found


def _sections_in(annotation: Any) -> list[type]:
    inner = [dict_item(annotation)] if dict_item(annotation) is not None else [annotation]
    return [section for one in inner if (section := section_of(one)) is not None and section is not LossTerm]


def _components(registry: Registry, kind: str) -> dict[str, Schema]:
    """Return a definition of a kind, ``name`` or ``{name: {parameters}}``, and one of each component's parameters."""
    components = {registry.shown_name(c): c for c in registry.components(kind)}
    fields = {name: fields_of(c) for name, c in components.items()}
    bare_names = [name for name, found in fields.items() if not any(f.required for f in found.values())]
    named: list[Schema] = [{"const": name, "description": components[name].summary()} for name in bare_names]
    with_parameters = {
        name: {
            "anyOf": [{"$ref": f"#/$defs/{kind}.{name}"}, *([NULL] if name in bare_names else [])],
            "description": component.summary(),
        }
        for name, component in components.items()
    }
    one_key = {**_mapping(with_parameters), "minProperties": 1, "maxProperties": 1}
    parameters = {
        f"{kind}.{name}": _mapping(
            _properties(found.values(), defaults=True), required=[f.name for f in found.values() if f.required]
        )
        for name, found in fields.items()
    }
    return {kind: {"anyOf": [*named, one_key]}, **parameters}


def _losses(registry: Registry) -> Schema:
    """Terms by the name of the loss: a weight, null, or its settings."""
    terms: dict[str, Schema] = {}
    for component in registry.components("loss"):
        shown = registry.shown_name(component)
        fields = term_fields(registry, shown)
        required = [name for name, f in fields.items() if f.required]
        settings = _mapping(_properties(fields.values()), required=required)
        number = [] if required else [{"type": "number", "minimum": 0}]
        terms[shown] = {"anyOf": [*number, NULL, settings], "description": component.summary()}
    return _mapping(terms)


def _mapping(properties: Mapping[str, Schema], required: Iterable[str] = ()) -> Schema:
    found: Schema = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    return {**found, "required": sorted(required)} if required else found


def _properties(fields: Iterable[Field], *, defaults: bool = False) -> dict[str, Schema]:
    """Return a schema of each parameter; null stands for the default of one that has a default."""
    found = {}
    for f in fields:
        schema = _value(f.annotation)
        if not f.required and not allows_null(f.annotation):
            schema = {"anyOf": [schema, NULL]}
        if defaults and not f.required:
            plain = f.default.name if isinstance(f.default, Component) else to_plain(f.default)
            schema = {**schema, "default": plain}
        found[f.name] = _described(schema, f)
    return found


def _described(schema: Schema, f: Field) -> Schema:
    return {**schema, "description": f.description} if f.description else schema


def _value(annotation: Any) -> Schema:
    """Return the schema of a value by its type."""
    options = [_member(one) for one in members(annotation)]
    return options[0] if len(options) == 1 else {"anyOf": options}


def _member(annotation: Any) -> Schema:
    kind, section, inner = slot_kind(annotation), section_of(annotation), bare(annotation)
    if list_item(annotation) is None and dict_item(annotation) is None:
        if kind is not None:
            return {"$ref": f"#/$defs/{kind}"}
        if section is not None:
            return {"$ref": f"#/$defs/{section.__name__}"}
    if dict_item(inner) is not None:
        item = _value(dict_item(inner))
        removable = section_of(dict_item(inner)) is not None  # null removes what a preset brings
        return {"type": "object", "additionalProperties": {"anyOf": [item, NULL]} if removable else item}
    if list_item(inner) is not None:
        return {"type": "array", "items": _value(list_item(inner)), **_length(annotation)}
    if inner in (Path, None, type(None)):
        return {"type": "string"} if inner is Path else NULL
    try:
        return TypeAdapter(annotation).json_schema()
    except (PydanticSchemaGenerationError, PydanticInvalidForJsonSchema):  # whatever else an author's type may be
        return {}


def _length(annotation: Any) -> Schema:
    """Limits of the length of a list."""
    limits = [] if get_origin(annotation) is not Annotated else list(get_args(annotation)[1:])
    said = [one for limit in limits for one in getattr(limit, "metadata", [limit])]
    least = [one.min_length for one in said if getattr(one, "min_length", None) is not None]
    most = [one.max_length for one in said if getattr(one, "max_length", None) is not None]
    return {**({"minItems": least[0]} if least else {}), **({"maxItems": most[0]} if most else {})}
