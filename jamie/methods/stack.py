"""Imputation by several regressions, weighed against each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from jamie.core.context import Context
from jamie.core.data import Cells
from jamie.core.interfaces import Method
from jamie.methods.regressions import describe_tuning, fit_directions, restore_directions, state_of_directions
from jamie.regression.stack import RegressionStack

Member = Literal["ridge", "kernel_ridge", "knn", "pls", "reduced_rank", "forest"]


@dataclass(kw_only=True, eq=False)
class Stack(Method):
    """Imputes by a weighted sum of tuned regressions (stacking), one for each ordered pair of modalities.

    Each member is tuned as the method of its name, on the same folds of the known pairs. The weights, one a member and
    none negative, minimize the squared error of what the members predict out of fold, shrunk toward equal weights as if
    100 more pairs spoke for these; predictions and targets are less the means of their fold.

    Parameters
    ----------
    members : list
        Names of the regressions. Trees take the most time.
    """

    name: ClassVar[str] = "stack"
    references: ClassVar[tuple[str, ...]] = ("10.1007/BF00117832",)
    needs: ClassVar[frozenset[str]] = frozenset({"pairs"})

    members: Annotated[tuple[Member, ...], Field(min_length=1)] = (
        "ridge",
        "kernel_ridge",
        "knn",
        "pls",
        "reduced_rank",
        "forest",
    )

    @classmethod
    def test_params(cls) -> dict[str, Any]:
        return {"members": ["ridge", "knn"]}

    def _fit(self, cells: Cells, context: Context) -> None:
        self._fits = fit_directions(RegressionStack(members=self.members), cells, context, method=self.name)
        self.tuning = describe_tuning(self._fits)

    def _impute(self, scores: NDArray[np.float32], source: str, target: str) -> NDArray[np.floating]:
        return self._fits[source, target].predict(scores)

    def _state(self) -> Mapping[Any, Any]:
        return state_of_directions(self._fits)

    def _set_state(self, state: Mapping[Any, Any]) -> None:
        self._fits = restore_directions(state)
