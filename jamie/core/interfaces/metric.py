"""Metrics of the latent space."""

from __future__ import annotations

from abc import abstractmethod
from numbers import Real
from typing import ClassVar

import numpy as np

from jamie.core.component import Component
from jamie.core.data import EmbeddedPair
from jamie.core.errors import ContractError, DataError


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
        DataError
            Where a latent is not finite: every comparison with NaN is false, which could pass for a good score.
        ContractError
            Where the value lies outside `bounds`.
        """
        for modality, z in ((pair.source, pair.z_source), (pair.target, pair.z_target)):
            wrong = int((~np.isfinite(z)).any(axis=1).sum())
            if wrong:
                raise DataError(f"expected finite latents, found {wrong} of {len(z)} cells without", where=modality)
        value, (low, high) = self._score(pair), self.bounds
        if not isinstance(value, Real) or not low <= value <= high:
            raise ContractError(
                f"expected a value from {low} to {high}, found {value}",
                where=f"metric '{self.name}'",
                fix="try it by itself with the checks of jamie.testing",
            )
        return float(value)

    @abstractmethod
    def _score(self, pair: EmbeddedPair) -> float: ...
