"""Orthogonal Procrustes on known pairs."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveInt

from jamie.core.context import Context
from jamie.core.data import Cells
from jamie.core.interfaces import Method
from jamie.methods.linear_map import LinearMap, require_more

log = logging.getLogger(__name__)


class ProcrustesPairs(Method):
    """Principal components of each modality, turned onto each other by an orthogonal map fitted on the known pairs.

    With A and B (n_pairs, L) the components of the paired cells, centred and divided by their Frobenius norm, the
    second modality is turned by R = argmin |A - B R| with R^T R = I, which is U V^T of the singular value decomposition
    of B^T A.

    Parameters
    ----------
    n_components
        Principal components L of each modality; as many as the smaller one has, with a notice, where it has fewer.
    """

    name: ClassVar[str] = "procrustes_pairs"
    references: ClassVar[tuple[str, ...]] = ("10.1007/BF02289451",)
    needs: ClassVar[frozenset[str]] = frozenset({"pairs"})
    max_modalities: ClassVar[int | None] = 2

    def __init__(self, *, n_components: PositiveInt = 32) -> None:
        self.n_components = n_components

    @classmethod
    def test_params(cls) -> dict[str, Any]:
        return {"n_components": 4}

    def _fit(self, cells: Cells, context: Context) -> None:
        from scipy.linalg import orthogonal_procrustes

        a, b = cells.modalities
        rows, columns = cells.pairs(a, b)
        n_components = min(self.n_components, *(scores.shape[1] for scores in cells.scores.values()))
        if n_components < self.n_components:
            log.info(
                "procrustes_pairs: %d components instead of %d, one for each feature", n_components, self.n_components
            )
        require_more(len(rows), n_components, "known pairs", self.name)
        for m, view in cells.views.items():
            require_more(view.n_cells, n_components, f"cells of {m}", self.name)
        first = _components(cells.scores[a], rows, n_components)
        second = _components(cells.scores[b], columns, n_components)
        turn, _ = orthogonal_procrustes(second(cells.scores[b][columns]), first(cells.scores[a][rows]))
        self.maps = {a: first, b: LinearMap(second.mean, second.weights @ turn)}

    def _embed(self, scores: Mapping[str, NDArray[np.float32]] | None) -> dict[str, NDArray[np.float64]]:
        return {m: self.maps[m](x) for m, x in (scores or {}).items()}


def _components(scores: NDArray[np.float32], paired: NDArray[np.int64], n_components: int) -> LinearMap:
    """Principal components of all cells, with mean 0 and mean square norm 1 over the paired ones."""
    from sklearn.decomposition import PCA

    found = PCA(n_components, svd_solver="full").fit(scores.astype(np.float64))
    mean = scores[paired].mean(axis=0, dtype=np.float64)
    weights = found.components_.T
    norm = np.linalg.norm((scores[paired] - mean) @ weights) / np.sqrt(len(paired))
    return LinearMap(mean, weights / (norm or 1.0))
