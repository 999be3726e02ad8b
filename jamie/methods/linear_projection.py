"""Linear maps from the scores of a modality to the latent space, and checks before they are fitted."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jamie.core.data import View
from jamie.core.errors import DataError

log = logging.getLogger(__name__)

_SMALLEST_SINGULAR_VALUE = 1e-6  # relative to the largest; float32 scores do not resolve directions below


@dataclass(frozen=True)
class LinearProjection:
    """z = (x - mean) W.

    Parameters
    ----------
    mean : (d,)
        Subtracted from the scores.
    weights : (d, L)
        W, one column for each latent dimension.
    """

    mean: NDArray[np.float64]
    weights: NDArray[np.float64]

    def __call__(self, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        """Embed cells (n, d)."""
        return (scores - self.mean) @ self.weights


def project(
    projections: Mapping[str, LinearProjection], scores: Mapping[str, NDArray[np.float32]] | None
) -> dict[str, NDArray[np.float64]]:
    """Embed the cells of each modality by its own projection."""
    return {m: projections[m](x) for m, x in (scores or {}).items()}


@dataclass(frozen=True)
class CenteredSVD:
    """Singular value decomposition of centered scores, ``scores - mean = U diag(s) V^T``, of numerical rank r.

    Parameters
    ----------
    mean : (d,)
        Mean of the scores.
    U : (n, r)
        Left singular vectors.
    s : (r,)
        Singular values.
    V : (d, r)
        Right singular vectors.
    """

    mean: NDArray[np.float64]
    U: NDArray[np.float64]
    s: NDArray[np.float64]
    V: NDArray[np.float64]

    @classmethod
    def of(cls, scores: NDArray[np.float32]) -> CenteredSVD:
        """Decompose scores (n, d)."""
        from scipy.linalg import svd

        mean = scores.mean(axis=0, dtype=np.float64)
        U, s, Vt = svd(scores - mean, full_matrices=False, overwrite_a=True)
        kept = s > _SMALLEST_SINGULAR_VALUE * s[0]
        return cls(mean, U[:, kept], s[kept], Vt[kept].T)


def limit_components(n_components: int, n_available: int, method: str) -> int:
    """Return the smaller number, and log if it is not the one that the user chose."""
    if n_available < n_components:
        log.info("%s: %d components instead of %d, as many as the features span", method, n_available, n_components)
    return min(n_components, n_available)


def require_more(n_found: int, n_components: int, what: str, method: str) -> None:
    """Refuse to fit as many dimensions as there are cells or pairs, or more.

    Raises
    ------
    DataError
        If `n_found` does not exceed `n_components`.
    """
    if n_found > n_components:
        return
    remedy = f"set n_components to at most {n_found - 1}, or " if n_found > 1 else ""
    raise DataError(
        f"expected more {what} than components ({n_components}), found {n_found}",
        where=f"method '{method}'",
        fix=f"{remedy}give it more of them",
    )


def require_more_cells(views: Iterable[View], n_components: int, method: str) -> None:
    """Refuse to fit as many dimensions as a modality has cells, or more.

    Raises
    ------
    DataError
        If a modality has too few cells.
    """
    for view in views:
        require_more(view.n_cells, n_components, f"cells of {view.modality}", method)
