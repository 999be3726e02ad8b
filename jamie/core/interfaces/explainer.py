"""Explainers: which features drive what a model makes of cells."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from jamie.core.component import Component
from jamie.core.context import Context
from jamie.core.errors import ContractError
from jamie.core.explanation import Explainable, Explanation


class Explainer(Component):
    """Finds the features that a trained model relies on."""

    kind: ClassVar[str] = "explainer"

    def explain(self, subject: Explainable, context: Context) -> Explanation:
        """Explain a model by the cells that come with it.

        Raises
        ------
        DataError
            Where the cells or the model lack what the explainer needs.
        """
        found = self._explain(subject, context)
        if not isinstance(found, Explanation):
            raise ContractError(
                f"expected _explain to return an Explanation, found {type(found).__name__}",
                where=f"explainer '{self.name}'",
                fix="return jamie.Explanation(self.name, title, tables={...})",
            )
        return found

    @abstractmethod
    def _explain(self, subject: Explainable, context: Context) -> Explanation: ...
