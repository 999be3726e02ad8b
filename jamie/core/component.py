"""What all components have in common: a name, a summary, references and a constructor that is its own schema."""

from __future__ import annotations

import inspect
from abc import ABC
from typing import Any, ClassVar


class Component(ABC):
    """Base of every kind of component.

    An interface (`jamie.core.interfaces`) sets `kind`; an implementation sets `name`, a docstring whose first
    line is its summary, and `references`. The keyword-only part of its constructor is its schema in a spec.
    """

    kind: ClassVar[str]
    name: ClassVar[str]
    references: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def summary(cls) -> str:
        """First line of the class's own docstring."""
        return inspect.cleandoc(cls.__doc__ or "").split("\n", 1)[0]

    @classmethod
    def test_params(cls) -> dict[str, Any]:
        """Constructor parameters that make the contract checks quick, such as few iterations."""
        return {}
