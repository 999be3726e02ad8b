"""Differences of two resolved specs."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import shorten
from typing import Any

import yaml

from jamie.spec.sections import Spec

MOST_NAMED = 3  # settings that a message names
_LONGEST = 40  # characters of a value in a message
_ABSENT = object()


def describe_changes(before: str, spec: Spec) -> str:
    """Name the first settings in which a spec differs from the text of an earlier one.

    Parameters
    ----------
    before
        The earlier spec, resolved, as YAML.
    spec
        The one of today.

    Returns
    -------
    str
        Such as ``: seed was 0 and is 1``, to put behind a sentence; empty where the text cannot be read, or differs in
        its form alone.
    """
    try:
        earlier = yaml.safe_load(before)
    except yaml.YAMLError:
        return ""
    found = list(_differing(earlier, yaml.safe_load(spec.to_yaml()), ""))
    more = f"; and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
    named = "; ".join(f"{key} was {_shown(old)} and is {_shown(new)}" for key, old, new in found[:MOST_NAMED])
    return f": {named}{more}" if named else ""


def _differing(old: Any, new: Any, key: str) -> Iterator[tuple[str, Any, Any]]:
    """Yield dotted keys with both values."""
    mappings = isinstance(old, dict) and isinstance(new, dict)
    if mappings and not (_component(old) and _component(new) and old.keys() != new.keys()):
        for name in {**old, **new}:
            within = f"{key}.{name}" if key else str(name)
            yield from _differing(old.get(name, _ABSENT), new.get(name, _ABSENT), within)
    elif old != new:
        yield key, old, new


def _component(value: Any) -> bool:
    """Whether a value may be a component with its parameters: another name is another component."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(next(iter(value.values())), dict)


def _shown(value: Any) -> str:
    if value is _ABSENT:
        return "absent"
    if _component(value):
        return str(next(iter(value)))
    text = yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix("\n").removesuffix("\n...")
    return shorten(text, _LONGEST, placeholder=" ...")
