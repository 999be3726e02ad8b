"""What the components of a spec read of the data beside what their kinds are always given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any

from jamie.core.requirements import split_word
from jamie.spec.ref import Ref, has_absent

if TYPE_CHECKING:
    from jamie.spec.sections import Spec


@dataclass(frozen=True)
class Requirement:
    """A word that a component of a spec declares.

    Parameters
    ----------
    word
        As in `jamie.core.requirements`.
    component
        Kind and name, for messages: ``loss 'label_prototypes'``.
    key
        Where the component stands in the spec.
    modality
        The key of ``modalities`` under which it stands, ``"*"`` among them; empty where it reads every modality.
    block
        ``target`` where it reads the features of the modality's target, else ``input``.
    """

    word: str
    component: str
    key: str
    modality: str = ""
    block: str = "input"


def requirements_of(spec: Spec) -> list[Requirement]:
    """Return what the components of a spec declare to read of the data; each is built, and reads nothing."""
    found: list[Requirement] = []
    for name, settings in spec.modalities.items():
        key = f"modalities.{name}"
        target = f"{key}.target."
        for place, ref in components(settings, key):
            found += _words_of(ref, place, name, "target" if place.startswith(target) else "input")
    sections = (f.name for f in fields(spec) if not f.name.startswith("_") and f.name != "modalities")
    for name in sections:
        for place, ref in components(getattr(spec, name), name):
            found += _words_of(ref, place)
    return found


def _words_of(ref: Ref[Any], key: str, modality: str = "", block: str = "input") -> Iterator[Requirement]:
    if ref.cls.readable and not has_absent(ref):
        for word in ref.build().required():
            if split_word(word)[0] in ref.cls.readable:
                yield Requirement(word, f"{ref.kind} '{ref.name}'", key, modality, block)


def components(value: Any, key: str) -> Iterator[tuple[str, Ref[Any]]]:
    """Yield every component of a part of a spec with its key; not those among parameters of others, nor unused ones."""
    if isinstance(value, Ref):
        yield key, value
    elif is_dataclass(value):
        if getattr(value, "weight", None) == 0:  # a loss that is not used
            return
        for field in fields(value):
            below = key if field.name == "component" else f"{key}.{field.name}"
            yield from components(getattr(value, field.name), below)
    elif isinstance(value, dict):
        for name, one in value.items():
            yield from components(one, f"{key}.{name}")
    elif isinstance(value, list):
        for i, one in enumerate(value):
            yield from components(one, f"{key}[{i}]")
