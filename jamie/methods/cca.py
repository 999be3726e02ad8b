"""Canonical correlation analysis."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from jamie.core.context import Context
from jamie.core.data import Cells
from jamie.core.interfaces import Method
from jamie.methods.linear_projection import (
    limit_components,
    project,
    require_more,
    restore_projections,
    state_of_projections,
)
from jamie.regression.canonical_correlation import CenteredSVD, LinearProjection

log = logging.getLogger(__name__)

_PERFECT = 1 - 1e-8


@dataclass(kw_only=True, eq=False)
class CCA(Method):
    """Canonical correlation analysis of the known pairs: linear maps to the directions that correlate most.

    The columns of A and B maximize the correlation of X A and Y B in turn, for the centered scores X and Y of the
    paired cells: A = S_x^(-1/2) U and B = S_y^(-1/2) V of the singular value decomposition of
    S_x^(-1/2) S_xy S_y^(-1/2). With regularization g each covariance is shrunk, S = (1 - g) X^T X / n + g t I, and
    t is the mean variance of the features.

    If there are as many features as pairs, every correlation is 1 and the classical analysis (g = 0) means nothing: a
    warning says so, as it does if both modalities have the same feature. On motor Patch-seq with all 1,286 standardized
    genes of 1,208 cells scikit-learn's, whose weights have norm 1, gives label transfer accuracy and FOSCTTM of 0.239 /
    0.237 (Cohen Kalafut et al. 2023 print 0.273 / 0.366). There, all cells of expression have nearly the same latents,
    and get one label. Which directions of correlation 1 come first is arbitrary: in the order of the features, as here,
    figures are 0.239 / 0.243; in other orders accuracy was from 0.08 to 0.24 and FOSCTTM from 0.23 to 0.25.

    Otherwise nothing is arbitrary: 0.647 / 0.287 on 50 principal components (scikit-learn the same), 0.727 / 0.077 on
    the 512 of the preset, and with ``regularization: 0.1`` 0.826 / 0.035 on all features.

    Parameters
    ----------
    n_components
        Dimensions L of the latent space; as many as the smaller modality has, with a notice, if it has fewer.
    regularization
        Shrinkage g of either covariance, at least 0 (the classical analysis) and below 1.
    scale
        Of the columns of A and B: ``weights`` gives those of standardized features norm 1, ``variance`` makes the
        (shrunk) variance of each canonical variate 1. Of principal components unregularized, the two are the same.
    """

    name: ClassVar[str] = "cca"
    references: ClassVar[tuple[str, ...]] = ("10.1093/biomet/28.3-4.321", "10.1016/0304-4076(76)90010-5")
    needs: ClassVar[frozenset[str]] = frozenset({"pairs"})
    max_modalities: ClassVar[int | None] = 2

    n_components: PositiveInt = 32
    regularization: Annotated[float, Field(ge=0, lt=1)] = 0.0
    scale: Literal["weights", "variance"] = "weights"

    @classmethod
    def test_params(cls) -> dict[str, Any]:
        return {"n_components": 4}

    def _fit(self, cells: Cells, context: Context) -> None:
        a, b = cells.modalities
        rows, columns = cells.pairs(a, b)
        x, y = cells.scores[a][rows], cells.scores[b][columns]
        require_more(len(x), min(self.n_components, x.shape[1], y.shape[1]), "known pairs", self.name)
        numbers = 4 * (x.size + y.size) + 4 * (min(x.shape) + min(y.shape)) ** 2
        context.require_memory(8 * numbers, "the decomposition of all features", "put pca last in preprocess")
        whitened = _Whitened.of(x, self.regularization), _Whitened.of(y, self.regularization)
        n_components = limit_components(self.n_components, min(w.weights.shape[1] for w in whitened), self.name)
        self.projections = {}
        for m, scores, rotation in zip((a, b), whitened, self._correlate(*whitened, y), strict=True):
            weights = scores.weights @ rotation[:, :n_components]
            if self.scale == "weights":
                weights = weights / np.linalg.norm(scores.sd[:, None] * weights, axis=0)
            self.projections[m] = LinearProjection(scores.mean, weights)

    def _embed(self, scores: Mapping[str, NDArray[np.float32]] | None) -> dict[str, NDArray[np.float64]]:
        return project(self.projections, scores)

    def _state(self) -> Mapping[Any, Any]:
        return state_of_projections(self.projections)

    def _set_state(self, state: Mapping[Any, Any]) -> None:
        self.projections = restore_projections(state)

    def _correlate(
        self, x: _Whitened, y: _Whitened, scores_y: NDArray[np.float32]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return U (r_x, r) and V (r_y, r), in descending order of correlation."""
        from scipy.linalg import qr, svd

        U, correlations, Vt = svd(x.values.T @ y.values, full_matrices=False)
        n_perfect = int((correlations > _PERFECT).sum())
        if n_perfect and self.regularization == 0:
            log.warning(
                "cca: %d of %d canonical correlations are 1, %s", n_perfect, len(correlations), _why_perfect(x, y)
            )
            # any basis of these is as good: the second modality's features in their order, each less those before
            features = Vt[:n_perfect] @ (y.values.T @ (scores_y - y.mean))
            basis, _ = qr(features, mode="economic")
            U[:, :n_perfect] = U[:, :n_perfect] @ basis
            Vt[:n_perfect] = basis.T @ Vt[:n_perfect]
        return U, Vt.T


def _why_perfect(x: _Whitened, y: _Whitened) -> str:
    """Return why correlations are 1: spaces that together have more dimensions than the centered pairs must meet."""
    (n_pairs, d_x), d_y = x.values.shape, y.values.shape[1]
    if d_x + d_y > n_pairs - 1:
        return (
            f"since {n_pairs} pairs are too few for the {d_x} and {d_y} dimensions of the two modalities; "
            "regularization above 0, or fewer components in preprocess, lets new cells be embedded well"
        )
    return (
        f"though {n_pairs} pairs are enough for the {d_x} and {d_y} dimensions of the two modalities: as many "
        "directions have the same values in both; leave a feature that both modalities have out of one of them"
    )


@dataclass(frozen=True)
class _Whitened:
    """Whitened scores of the paired cells of a modality.

    Parameters
    ----------
    mean, sd : (d,)
        Of the scores.
    values : (n, r)
        Whitened scores divided by sqrt(n): values^T values is I without regularization.
    weights : (d, r)
        The linear map of the centered scores to whitened ones.
    """

    mean: NDArray[np.float64]
    sd: NDArray[np.float64]
    values: NDArray[np.float64]
    weights: NDArray[np.float64]

    @classmethod
    def of(cls, scores: NDArray[np.float32], regularization: float) -> _Whitened:
        """Whiten scores (n, d) by their (shrunk) covariance."""
        svd = CenteredSVD.of(scores)
        variance = svd.s**2 / len(scores)
        shrunk = np.sqrt((1 - regularization) * variance + regularization * variance.sum() / scores.shape[1])
        sd = (scores - svd.mean).std(axis=0)
        return cls(svd.mean, sd, svd.U * (np.sqrt(variance) / shrunk), svd.V / shrunk)
