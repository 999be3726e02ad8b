"""Linear maps from the scores of a modality to the latent space, and checks before they are fitted."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jamie.core.data import View
from jamie.core.errors import DataError
from jamie.regression.canonical_correlation import LinearProjection

log = logging.getLogger(__name__)


def project(
    projections: Mapping[str, LinearProjection], scores: Mapping[str, NDArray[np.float32]] | None
) -> dict[str, NDArray[np.float64]]:
    """Embed the cells of each modality by its own projection."""
    return {m: projections[m](x) for m, x in (scores or {}).items()}


def state_of_projections(projections: Mapping[str, LinearProjection]) -> dict[str, Any]:
    """Return projections as arrays."""
    return {m: asdict(projection) for m, projection in projections.items()}


def restore_projections(state: Mapping[str, Any]) -> dict[str, LinearProjection]:
    """Restore the result of `state_of_projections`."""
    return {m: LinearProjection(**one) for m, one in state.items()}


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
