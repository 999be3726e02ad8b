"""What all components have in common: a name, a summary, references and a constructor that is its own schema."""

from __future__ import annotations

import inspect
from abc import ABC
from collections.abc import Collection
from typing import Any, ClassVar

from jamie.core.errors import ContractError, DataError


class Component(ABC):
    """Base of every kind of component.

    An interface (`jamie.core.interfaces`) sets `kind`; an implementation sets `name`, a docstring whose first
    line is its summary, and `references`. The keyword-only part of its constructor is its schema in a spec.

    `requires` names what an implementation reads of the data beside what its kind is always given, in the words of
    `jamie.core.requirements`: ``("obsm:spatial", "labels")``. Data that lack it are refused before they are read, and
    what is not named is not handed out. Where it depends on parameters, `required` is overridden.
    """

    kind: ClassVar[str]
    name: ClassVar[str]
    references: ClassVar[tuple[str, ...]] = ()
    requires: ClassVar[Collection[str]] = ()
    readable: ClassVar[frozenset[str]] = frozenset()  # words of the data that components of a kind may declare
    other_words: ClassVar[frozenset[str]] = frozenset()  # further words, which the kind explains

    @classmethod
    def summary(cls) -> str:
        """First line of the class's own docstring."""
        return inspect.cleandoc(cls.__doc__ or "").split("\n", 1)[0]

    @classmethod
    def test_params(cls) -> dict[str, Any]:
        """Constructor parameters that make the contract checks quick, such as few iterations."""
        return {}

    @classmethod
    def test_elements(cls) -> dict[str, Any]:
        """Values, for the contract checks, of words that need others than made-up numbers: ``{"uns:genes": table}``."""
        return {}

    def required(self) -> tuple[str, ...]:
        """Words of what this very component reads: `requires`, and those of the components among its parameters."""
        nested = (word for part in vars(self).values() if isinstance(part, Component) for word in part.required())
        return tuple(dict.fromkeys((*self.requires, *nested)))

    def _data_error(self, problem: str, fix: str = "", *, of: str = "") -> DataError:
        """Error of data that this component cannot work with; `of` names the part of them."""
        return DataError(problem, where=f"{self.kind} '{self.name}'{f', {of}' if of else ''}", fix=fix)

    def _contract_error(self, problem: str, fix: str = "") -> ContractError:
        """Error of an implementation that breaks the contract of its kind."""
        return ContractError(problem, where=f"{self.kind} '{self.name}'", fix=fix)
