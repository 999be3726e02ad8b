"""Keys with a prefix: arrays of several parts in one file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

Value = TypeVar("Value")


def add_prefix(prefix: str, values: Mapping[str, Value]) -> dict[str, Value]:
    """Put ``prefix.`` before every key."""
    return {f"{prefix}.{key}": value for key, value in values.items()}


def select_prefix(prefix: str, values: Mapping[str, Value]) -> dict[str, Value]:
    """Values whose key starts with ``prefix.``, without it."""
    return {k.removeprefix(f"{prefix}."): v for k, v in values.items() if k.startswith(f"{prefix}.")}
