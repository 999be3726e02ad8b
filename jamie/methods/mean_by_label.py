"""Imputation by the mean of the cell's label."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from jamie.core.context import Context
from jamie.core.data import Cells
from jamie.core.interfaces import Method

log = logging.getLogger(__name__)


class MeanByLabel(Method):
    """Control that uses the labels: imputes the mean of the training cells of the same label.

    A method that imputes no better has learned the type of a cell, but nothing specific to the cell. It needs no pairs.
    A cell without a label, or with one that no training cell of the target has, gets the mean of all training cells.
    """

    name: ClassVar[str] = "mean_by_label"
    needs: ClassVar[frozenset[str]] = frozenset({"labels"})

    def _fit(self, cells: Cells, context: Context) -> None:
        self._means: dict[str, dict[object, NDArray[np.float32]]] = {}
        for m, labels in cells.labels.items():
            names = {label for label in labels if label is not None}
            if len(names) < 2:
                raise self._data_error(
                    f"expected at least 2 labels among the {len(labels)} training cells of {m}, "
                    f"found {len(names)}{''.join(f': {name}' for name in names)}",
                    "name another column of obs under labels, or leave the method out",
                )
            self._means[m] = {name: cells.targets[m][labels == name].mean(axis=0) for name in names}
            self._means[m][None] = cells.targets[m].mean(axis=0)

    def _impute_with_labels(
        self, scores: NDArray[np.float32], source: str, target: str, labels: NDArray[np.object_]
    ) -> NDArray[np.floating]:
        means = self._means[target]
        unseen = {label for label in labels if label not in means}
        if unseen:
            log.warning(
                "%s: no training cell of %s is %s; such cells get the mean of all",
                *(self.name, target, ", ".join(sorted(map(str, unseen)))),
            )
        return np.stack([means.get(label, means[None]) for label in labels])

    def _state(self) -> Mapping[Any, Any]:
        return {"means": self._means}

    def _set_state(self, state: Mapping[Any, Any]) -> None:
        self._means = state["means"]
