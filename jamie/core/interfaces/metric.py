"""Metrics of embeddings, imputed values and inferred correspondences."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from numbers import Real
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from jamie.core.component import Component
from jamie.core.errors import ContractError, DataError
from jamie.core.evaluation import EmbeddedPair, ImputedPair, MatchedPair, Score

Scored = TypeVar("Scored", bound=EmbeddedPair | ImputedPair | MatchedPair)


class Metric(Component, Generic[Scored]):
    """A number that says how good a result is.

    `reads` says what it is given: two modalities in the latent space (`EmbeddedPair`, the default), imputed values
    (`ImputedPair`) or an inferred correspondence (`MatchedPair`). `requires` names what else it needs: ``"labels"``,
    ``"pairs"`` (known partners), ``"intervals"`` (of imputed values). A `directed` metric is computed from either
    modality to the other, any other once for two modalities; imputed values have a direction of their own.
    """

    kind: ClassVar[str] = "metric"
    reads: ClassVar[type] = EmbeddedPair
    requires: ClassVar[frozenset[str]] = frozenset()
    directed: ClassVar[bool] = False
    higher_is_better: ClassVar[bool]
    bounds: ClassVar[tuple[float, float]]

    def score(self, subject: Scored) -> Score:
        """Score a result.

        Raises
        ------
        DataError
            Where a latent or an imputed value is not finite: every comparison with NaN is false, which could pass for
            a good score.
        ContractError
            Where the value lies outside `bounds`.
        """
        require_finite(subject)
        found = self._score(subject)
        result = found if isinstance(found, Score) else self._as_score(found, subject)
        for values in ([result.value], *result.per_feature.values()):
            self._require_bounded(np.asarray(values, np.float64))
        return result

    @abstractmethod
    def _score(self, subject: Scored) -> float | NDArray[Any] | Score:
        """Return the value, values of the features (p,) with NaN for those that cannot be scored, or a `Score`."""

    def _as_score(self, found: Any, subject: Scored) -> Score:
        """Make a score of a number, or of one for each feature, whose mean is then the value."""
        if isinstance(found, Real):
            return Score(float(found))
        values = np.asarray(found)
        if not isinstance(subject, ImputedPair) or values.shape != subject.features.shape:
            expected = f"({len(subject.features)},)" if isinstance(subject, ImputedPair) else "a number"
            raise self._broken(f"expected {expected}, found {type(found).__name__} of shape {values.shape}")
        return per_feature_score({"": values})

    def _require_bounded(self, values: NDArray[np.float64]) -> None:
        low, high = self.bounds
        wrong = ~np.isnan(values) & ~((values >= low) & (values <= high))
        if wrong.any():
            raise self._broken(f"expected a value from {low} to {high}, found {values[wrong][0]}")

    def _broken(self, problem: str) -> ContractError:
        return ContractError(
            problem, where=f"metric '{self.name}'", fix="try it by itself with the checks of jamie.testing"
        )


def per_feature_score(values: Mapping[str, NDArray[np.float64]], parts: Mapping[str, float] | None = None) -> Score:
    """Make a score of values (p,) of the features, by group of cells; the value is the mean of group ``""``.

    It is NaN where no feature can be scored.
    """
    scored = values[""][~np.isnan(values[""])]
    return Score(float(scored.mean()) if len(scored) else float("nan"), dict(parts or {}), dict(values))


def require_finite(subject: object) -> None:
    """Refuse latents, or imputed values, that are not finite."""
    if isinstance(subject, EmbeddedPair):
        given = {subject.source: ("latents", subject.z_source), subject.target: ("latents", subject.z_target)}
    elif isinstance(subject, ImputedPair):
        given = {f"{subject.source} to {subject.target}": ("imputed values", subject.imputed)}
    else:
        return
    for where, (what, values) in given.items():
        wrong = int((~np.isfinite(values)).any(axis=1).sum())
        if wrong:
            raise DataError(f"expected finite {what}, found {wrong} of {len(values)} cells without", where=where)
