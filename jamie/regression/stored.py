"""Fitted regressions as arrays and plain values, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from typing import Any

import numpy as np

from jamie.regression.fitted import AffineRegression, FittedRegression
from jamie.regression.forest import FittedForest
from jamie.regression.kernel_ridge import FittedKernelRidge
from jamie.regression.knn import FittedKNN
from jamie.regression.pairs import Clip
from jamie.regression.stack import FittedStack
from jamie.regression.trees import Trees

_CLASSES: Mapping[str, type[FittedRegression]] = {
    cls.__name__: cls for cls in (AffineRegression, FittedForest, FittedKNN, FittedKernelRidge, FittedStack)
}
_PARTS = {"clip": Clip, "trees": Trees}
_OF_THE_FIT = ("out_of_fold", "tuning")  # that predict nothing


def regression_state(fitted: FittedRegression) -> dict[str, Any]:
    """Return what a regression predicts by, for `restore_regression`."""
    values = {f.name: getattr(fitted, f.name) for f in fields(fitted) if f.name not in _OF_THE_FIT}
    values |= {name: asdict(values[name]) for name in _PARTS if is_dataclass(values.get(name))}
    if isinstance(fitted, FittedStack):
        values["members"] = [regression_state(member) for member in fitted.members]
    return {"class": type(fitted).__name__, **values}


def restore_regression(state: Mapping[str, Any]) -> FittedRegression:
    """Restore the result of `regression_state`; what is known of the pairs that it was fitted on is gone."""
    values = {name: value for name, value in state.items() if name != "class"}
    values |= {name: part(**values[name]) for name, part in _PARTS.items() if name in values}
    if "members" in values:
        values["members"] = tuple(restore_regression(member) for member in values["members"])
    return _CLASSES[state["class"]](**values, out_of_fold=np.empty((0, 0)), tuning={})
