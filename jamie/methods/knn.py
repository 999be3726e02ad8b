"""Imputation by the nearest cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveInt

from jamie.core.context import Context
from jamie.core.data import Cells
from jamie.core.interfaces import Method
from jamie.methods.regressions import describe_tuning, fit_directions, restore_directions, state_of_directions
from jamie.regression.folds import MIN_PAIRS
from jamie.regression.knn import KNNRegression


@dataclass(kw_only=True, eq=False)
class KNN(Method):
    """Imputes the mean of the k nearest training cells' partners.

    The nearest cells are chosen among the training cells with a known partner, by their scores. The more components the
    scores have, the more of the distance is noise: on citeseq_pbmc the mean correlation of imputed protein is 0.49 on
    standardized features, 0.59 on 512 components and 0.85 on 50. Parameters that are null are chosen by the error in a
    five-fold cross-validation of the known pairs. The baseline of the paper (Cohen Kalafut et al. 2023) is
    ``{k: 5, distance: euclidean, n_components: all}``.

    Parameters
    ----------
    k : int
        Number of neighbors; null for one of 1, 2, 3, 5, 8, 12, 20, 32 and 50.
    distance : str
        ``cosine`` compares the direction of the scores only, which a cell's depth does not change; null for the better.
    n_components : int
        Number of scores that are used, the first ones: after PCA, the leading components. ``all`` for all, null for a
        power of two from 4 to 256, or all.
    """

    name: ClassVar[str] = "knn"
    references: ClassVar[tuple[str, ...]] = ("10.1038/s42256-023-00663-z",)
    needs: ClassVar[frozenset[str]] = frozenset({"pairs"})

    k: PositiveInt | None = None
    distance: Literal["euclidean", "cosine"] | None = None
    n_components: PositiveInt | Literal["all"] | None = None

    def _fit(self, cells: Cells, context: Context) -> None:
        regression = KNNRegression(k=self.k, distance=self.distance, n_components=self.n_components)
        at_least = max(self.k or 1, MIN_PAIRS)
        self._fits = fit_directions(regression, cells, context, method=self.name, at_least=at_least)
        self.tuning = describe_tuning(self._fits)

    def _impute(self, scores: NDArray[np.float32], source: str, target: str) -> NDArray[np.floating]:
        return self._fits[source, target].predict(scores)

    def _state(self) -> Mapping[Any, Any]:
        return state_of_directions(self._fits)

    def _set_state(self, state: Mapping[Any, Any]) -> None:
        self._fits = restore_directions(state)
