"""Imputation by a regularized linear map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from jamie.core.context import Context
from jamie.core.data import Cells
from jamie.core.interfaces import Method
from jamie.methods.regressions import describe_tuning, fit_directions, restore_directions, state_of_directions
from jamie.regression.ridge import RidgeRegression


@dataclass(kw_only=True, eq=False)
class Ridge(Method):
    """Imputes by ridge regression, one for each ordered pair of modalities.

    With X the scores of the source and Y the targets of their known partners, both centered,
    ``B = (X'X + a I)^-1 X'Y``. The penalty a has the least error in a five-fold cross-validation of the known pairs, of
    17 from 1e-5 to 1e3 times the trace of X'X over the number of scores, so that the units of the scores mean nothing.
    All of them come from one decomposition of X for each fold. Scores are clipped to their range among the known pairs.

    A penalty for each principal axis of the targets is right: the last of them, which are noise, are then hardly
    predicted, while the first are. With 512 components on either side, patchseq_motor (log1p CPM) was imputed with a
    mean correlation of 0.546 / 0.254 and snareseq_cortex with 0.038 / 0.116; with one penalty for all targets it was
    0.545 / 0.242 and 0.033 / 0.083. With few pairs, where the choice itself is noise, it is drawn to that of all axes.

    Parameters
    ----------
    penalty : str
        ``per_target`` chooses one for each principal axis of the targets, ``shared`` one for all.
    """

    name: ClassVar[str] = "ridge"
    references: ClassVar[tuple[str, ...]] = ("10.1080/00401706.1970.10488634",)
    needs: ClassVar[frozenset[str]] = frozenset({"pairs"})

    penalty: Literal["per_target", "shared"] = "per_target"

    def _fit(self, cells: Cells, context: Context) -> None:
        self._fits = fit_directions(RidgeRegression(penalty=self.penalty), cells, context, method=self.name)
        self.tuning = describe_tuning(self._fits)

    def _impute(self, scores: NDArray[np.float32], source: str, target: str) -> NDArray[np.floating]:
        return self._fits[source, target].predict(scores)

    def _state(self) -> Mapping[Any, Any]:
        return state_of_directions(self._fits)

    def _set_state(self, state: Mapping[Any, Any]) -> None:
        self._fits = restore_directions(state)
