"""Distances between the cells of one modality."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jamie.core.component import Component
from jamie.core.data import View
from jamie.core.errors import ContractError


class Distance(Component):
    """Distances between cells, to all cells or to a subset of them (landmarks)."""

    kind: ClassVar[str] = "distance"

    def pairwise(self, view: View, to: ArrayLike | None = None) -> NDArray[np.float64]:
        """Return the distance of every cell to the cells `to` (indices), to all of them by default.

        Returns
        -------
        (n, n) or (n, len(to)) array, finite and not negative.
        """
        columns = np.arange(view.n_cells) if to is None else np.asarray(to)
        distances = self._pairwise(view, columns)
        if distances.shape != (view.n_cells, len(columns)) or not np.isfinite(distances).all() or distances.min() < 0:
            raise ContractError(
                f"expected {view.n_cells} x {len(columns)} finite distances >= 0, found shape {distances.shape}",
                where=f"distance '{self.name}'",
            )
        return distances

    @abstractmethod
    def _pairwise(self, view: View, to: NDArray[np.int64]) -> NDArray[np.float64]: ...
