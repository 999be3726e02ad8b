"""An affine map from the scores of a modality to the common space, and what fitting one asks for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jamie.core.errors import DataError


@dataclass(frozen=True)
class LinearMap:
    """z = (x - mean) W.

    Parameters
    ----------
    mean : (d,)
        What is subtracted from the scores.
    weights : (d, L)
        W, one column for each dimension of the common space.
    """

    mean: NDArray[np.float64]
    weights: NDArray[np.float64]

    def __call__(self, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        """Embed cells (n, d)."""
        return (scores - self.mean) @ self.weights


def require_more(n_found: int, n_components: int, what: str, method: str) -> None:
    """Refuse to fit `n_components` dimensions on as few cells or pairs.

    Raises
    ------
    DataError
        Where `n_found` does not exceed `n_components`.
    """
    if n_found > n_components:
        return
    remedy = f"set n_components to at most {n_found - 1}, or " if n_found > 1 else ""
    raise DataError(
        f"expected more {what} than components ({n_components}), found {n_found}",
        where=f"method '{method}'",
        fix=f"{remedy}give it more of them",
    )
