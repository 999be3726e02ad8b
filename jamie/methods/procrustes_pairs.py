"""Orthogonal Procrustes on known pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveInt

from jamie.core.context import Context
from jamie.core.data import Cells
from jamie.core.interfaces import Method
from jamie.methods.linear_projection import (
    limit_components,
    project,
    require_more,
    require_more_cells,
    restore_projections,
    state_of_projections,
)
from jamie.regression.canonical_correlation import LinearProjection


@dataclass(kw_only=True, eq=False)
class ProcrustesPairs(Method):
    """Principal components of each modality, rotated onto each other by orthogonal Procrustes on the known pairs.

    With A and B (n_pairs, L) the components of the paired cells, centered and divided by their Frobenius norm, the
    second modality is rotated by R = argmin |A - B R| with R^T R = I, which is U V^T of the singular value
    decomposition of B^T A.

    Parameters
    ----------
    n_components
        Principal components L of each modality; as many as the smaller one has, with a notice, if it has fewer.
    """

    name: ClassVar[str] = "procrustes_pairs"
    references: ClassVar[tuple[str, ...]] = ("10.1007/BF02289451",)
    needs: ClassVar[frozenset[str]] = frozenset({"pairs"})
    max_modalities: ClassVar[int | None] = 2

    n_components: PositiveInt = 32

    @classmethod
    def test_params(cls) -> dict[str, Any]:
        return {"n_components": 4}

    def _fit(self, cells: Cells, context: Context) -> None:
        from scipy.linalg import orthogonal_procrustes

        a, b = cells.modalities
        rows, columns = cells.pairs(a, b)
        n_features = min(scores.shape[1] for scores in cells.scores.values())
        n_components = limit_components(self.n_components, n_features, self.name)
        require_more(len(rows), n_components, "known pairs", self.name)
        require_more_cells(cells.views.values(), n_components, self.name)
        first = _components(cells.scores[a], rows, n_components)
        second = _components(cells.scores[b], columns, n_components)
        rotation, _ = orthogonal_procrustes(second(cells.scores[b][columns]), first(cells.scores[a][rows]))
        self.projections = {a: first, b: LinearProjection(second.mean, second.weights @ rotation)}

    def _embed(self, scores: Mapping[str, NDArray[np.float32]] | None) -> dict[str, NDArray[np.float64]]:
        return project(self.projections, scores)

    def _state(self) -> Mapping[Any, Any]:
        return state_of_projections(self.projections)

    def _set_state(self, state: Mapping[Any, Any]) -> None:
        self.projections = restore_projections(state)


def _components(scores: NDArray[np.float32], paired: NDArray[np.int64], n_components: int) -> LinearProjection:
    """Principal components of all cells, with mean 0 and mean square norm 1 over the paired ones."""
    from sklearn.decomposition import PCA

    weights = PCA(n_components, svd_solver="full").fit(scores.astype(np.float64)).components_.T
    mean = scores[paired].mean(axis=0, dtype=np.float64)
    norm = np.linalg.norm((scores[paired] - mean) @ weights) / np.sqrt(len(paired))
    return LinearProjection(mean, weights / (norm or 1.0))
