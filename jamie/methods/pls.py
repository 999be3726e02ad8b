"""Imputation by partial least squares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from jamie.core.context import Context
from jamie.core.data import Cells
from jamie.core.interfaces import Method
from jamie.methods.regressions import describe_tuning, fit_directions, restore_directions, state_of_directions
from jamie.regression.pls import PLSRegression


@dataclass(kw_only=True, eq=False)
class PLS(Method):
    """Imputes by partial least squares regression, one for each ordered pair of modalities.

    Its components are the directions of the scores that covary most with the targets, one after another; their number,
    up to 50, has the least error in a five-fold cross-validation of the known pairs. Scores are clipped to their range
    among the known pairs.
    """

    name: ClassVar[str] = "pls"
    references: ClassVar[tuple[str, ...]] = (
        "10.1016/S0169-7439(01)00155-1",
        "10.1002/(SICI)1099-128X(199701)11:1<73::AID-CEM435>3.0.CO;2-#",
    )
    needs: ClassVar[frozenset[str]] = frozenset({"pairs"})

    def _fit(self, cells: Cells, context: Context) -> None:
        self._fits = fit_directions(PLSRegression(), cells, context, method=self.name)
        self.tuning = describe_tuning(self._fits)

    def _impute(self, scores: NDArray[np.float32], source: str, target: str) -> NDArray[np.floating]:
        return self._fits[source, target].predict(scores)

    def _state(self) -> Mapping[Any, Any]:
        return state_of_directions(self._fits)

    def _set_state(self, state: Mapping[Any, Any]) -> None:
        self._fits = restore_directions(state)
