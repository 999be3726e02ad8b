"""Imputation by the nearest cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveInt

from jamie.core.context import Context
from jamie.core.data import Cells
from jamie.core.interfaces import Method
from jamie.methods.known_pairs import Direction, regression_pairs

if TYPE_CHECKING:
    from sklearn.neighbors import KNeighborsRegressor


@dataclass(kw_only=True, eq=False)
class KNN(Method):
    """Imputes the mean of the k nearest training cells' partners: the baseline of the paper.

    The nearest cells are chosen among the training cells with a known partner, by their scores. The more components the
    scores have, the more of the distance is noise: on citeseq_pbmc the mean correlation of imputed protein is 0.49 on
    standardized features, 0.59 on 512 components and 0.85 on 50.

    Parameters
    ----------
    k : int
        Number of neighbors.
    distance : str
        ``cosine`` compares the direction of the scores only, which a cell's depth does not change.
    n_components : int
        Number of scores that are used, the first ones: after PCA, the leading components. All by default.
    """

    name: ClassVar[str] = "knn"
    references: ClassVar[tuple[str, ...]] = ("10.1038/s42256-023-00663-z",)
    needs: ClassVar[frozenset[str]] = frozenset({"pairs"})

    k: PositiveInt = 5
    distance: Literal["euclidean", "cosine"] = "euclidean"
    n_components: PositiveInt | None = None

    def _fit(self, cells: Cells, context: Context) -> None:
        from sklearn.neighbors import KNeighborsRegressor

        self._regressors: dict[Direction, KNeighborsRegressor] = {
            direction: KNeighborsRegressor(self.k, metric=self.distance).fit(x[:, : self.n_components], y)
            for direction, x, y in regression_pairs(cells, method=self.name, at_least=self.k)
        }

    def _impute(self, scores: NDArray[np.float32], source: str, target: str) -> NDArray[np.floating]:
        imputed: NDArray[np.floating] = self._regressors[source, target].predict(scores[:, : self.n_components])
        return imputed
