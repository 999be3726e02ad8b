"""Metrics of the latent space."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from jamie.core.component import Component
from jamie.core.data import EmbeddedPair
from jamie.core.errors import ContractError


class Metric(Component):
    """A number that says how well two modalities are embedded together.

    `requires` names what it reads: ``"labels"``, ``"pairs"`` (known partners). A `directed` metric is computed
    from either modality to the other, any other once for two modalities.
    """

    kind: ClassVar[str] = "metric"
    requires: ClassVar[frozenset[str]] = frozenset()
    directed: ClassVar[bool] = False
    higher_is_better: ClassVar[bool]
    bounds: ClassVar[tuple[float, float]]

    def score(self, pair: EmbeddedPair) -> float:
        """Score two modalities.

        Raises
        ------
        ContractError
            Where the value lies outside `bounds`.
        """
        value = float(self._score(pair))
        low, high = self.bounds
        if not low <= value <= high:
            raise ContractError(f"expected a value from {low} to {high}, found {value}", where=f"metric '{self.name}'")
        return value

    @abstractmethod
    def _score(self, pair: EmbeddedPair) -> float: ...
