"""Imputation by the partners that an inferer finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveInt

from jamie.core.context import Context
from jamie.core.data import Cells
from jamie.core.interfaces import CorrespondenceInferer, Method
from jamie.correspondence.auto import Auto
from jamie.correspondence.couplings.barycentric import mean_of_partners
from jamie.correspondence.graphs.neighbors import nearest
from jamie.correspondence.infer import infer_all
from jamie.methods.known_pairs import Direction


@dataclass(kw_only=True, eq=False)
class Barycentric(Method):
    r"""Imputes the mean of a cell's inferred partners (barycentric projection of a correspondence).

    With F the confidences that `inferer` gives the training cells, in which known pairs are fixed, training cell i has
    the value :math:`\sum_j F_{ij} y_j / \sum_j F_{ij}`, where y are the target's training cells. A new cell gets the
    mean of these values of the k training cells whose scores are nearest to its own, among those that have partners. It
    needs no pairs: what a model that is trained on an inferred correspondence has to improve on.

    Parameters
    ----------
    inferer : CorrespondenceInferer
        Infers the correspondence; null for ``auto``.
    k : int
        Number of training cells whose values are averaged.
    """

    name: ClassVar[str] = "barycentric"
    references: ClassVar[tuple[str, ...]] = ("10.1089/cmb.2021.0446",)

    inferer: CorrespondenceInferer | None = None
    k: PositiveInt = 5

    @classmethod
    def test_params(cls) -> dict[str, Any]:
        return {"k": 3}

    def _prepare(self, cells: Cells, context: Context) -> None:
        self._inferred = infer_all(cells.views, cells.known, self.inferer or Auto(), context).correspondences

    def _fit(self, cells: Cells, context: Context) -> None:
        self._projected: dict[Direction, tuple[NDArray[np.float32], NDArray[np.float64]]] = {}
        for source, target in permutations(cells.modalities, 2):
            known = cells.known.with_indirect_pairs(source, target).one_to_one()
            matches = self._inferred.between(source, target).updated_with(known).matrix
            matched = np.flatnonzero(matches.sum(axis=1) > 0)
            if not len(matched):
                raise self._data_error(
                    f"expected cells of {source} with an inferred partner in {target}, found none",
                    "choose another inferer, or leave the method out",
                )
            values = mean_of_partners(matches[matched], cells.targets[target])
            self._projected[source, target] = cells.scores[source][matched], values

    def _impute(self, scores: NDArray[np.float32], source: str, target: str) -> NDArray[np.floating]:
        matched, values = self._projected[source, target]
        return values[nearest(scores, matched, self.k)[0]].mean(axis=1)

    def _state(self) -> Mapping[Any, Any]:
        return {"projected": self._projected}

    def _set_state(self, state: Mapping[Any, Any]) -> None:
        self._projected = state["projected"]
