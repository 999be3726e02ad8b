"""Regularized canonical correlation analysis, tuned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from jamie.core.context import Context
from jamie.core.data import Cells
from jamie.core.interfaces import Method
from jamie.correspondence.couplings.matching import unit_rows
from jamie.methods.known_pairs import known_pairs
from jamie.methods.linear_projection import CenteredSVD, LinearProjection
from jamie.regression.folds import MIN_PAIRS, make_folds

REGULARIZATIONS = (0.01, 0.03, 0.1, 0.3, 0.5, 0.7, 0.9)
COMPONENTS = (4, 8, 16, 32, 64, 128)
AXES = (32, 64, 128)
MOST_PAIRS = 10_000  # that settings are chosen on
MOST_LEFT_OUT = 1_000  # pairs of a fold that are looked for among each other


@dataclass(kw_only=True, eq=False)
class RCCA(Method):
    """Regularized canonical correlation analysis, whose settings are chosen for finding the partners of new cells.

    As `cca` with regularization, but each canonical variate is scaled by its correlation, and each cell's latents to
    length 1, so that cells are compared by the cosine. Regularization (seven from 0.01 to 0.9), number of components
    (powers of two from 4 to 128, and all) and of leading principal axes of the scores (32, 64, 128 and all) have the
    least FOSCTTM in a five-fold cross-validation of the known pairs: those left out are looked for among each other.

    Parameters
    ----------
    n_components
        Dimensions L of the latent space, at most as many as the smaller modality has; null chooses it.
    regularization
        Shrinkage g of either covariance; null chooses it.
    """

    name: ClassVar[str] = "rcca"
    references: ClassVar[tuple[str, ...]] = ("10.1016/0304-4076(76)90010-5",)
    needs: ClassVar[frozenset[str]] = frozenset({"pairs"})
    max_modalities: ClassVar[int | None] = 2

    n_components: PositiveInt | None = None
    regularization: Annotated[float, Field(gt=0, lt=1)] | None = None

    def _fit(self, cells: Cells, context: Context) -> None:
        a, b = cells.modalities
        rows, columns = known_pairs(cells, a, b, method=self.name, at_least=MIN_PAIRS)
        x, y = cells.scores[a][rows], cells.scores[b][columns]
        numbers = 4 * (x.size + y.size) + 4 * (min(x.shape) + min(y.shape)) ** 2
        context.require_memory(8 * numbers, "the decomposition of all features", "put pca last in preprocess")
        generator = context.generator()
        chosen = generator.choice(len(x), min(len(x), MOST_PAIRS), replace=False)
        errors = self._errors(x[chosen], y[chosen], make_folds(len(chosen), generator), generator)
        best = min(errors, key=errors.__getitem__)
        names = ("n_axes", "regularization", "n_components")
        values = [sorted(set(tried)) for tried in zip(*errors, strict=True)]
        self.tuning = {
            "candidates": dict(zip(names, values, strict=True)),
            "chosen": dict(zip(names, best, strict=True)),
            "foscttm": errors[best],
        }
        self.projections = dict(zip((a, b), _Pairs.of(x, y).projections(*best), strict=True))

    def _embed(self, scores: Mapping[str, NDArray[np.float32]] | None) -> dict[str, NDArray[np.floating]]:
        return {m: unit_rows(self.projections[m](x)) for m, x in (scores or {}).items()}

    def _errors(
        self, x: NDArray[np.float32], y: NDArray[np.float32], folds: NDArray[np.int64], generator: np.random.Generator
    ) -> dict[tuple[int, float, int], float]:
        """FOSCTTM of the pairs left out for each number of axes, regularization and number of components."""
        errors: dict[tuple[int, float, int], float] = {}
        splits = [(np.flatnonzero(folds != f), np.flatnonzero(folds == f)) for f in np.unique(folds)]
        fitted = [_Pairs.of(x[inner], y[inner]) for inner, _ in splits]
        most = min(pairs.most for pairs in fitted)
        spanned, every = max(max(pairs.products.shape) for pairs in fitted), max(x.shape[1], y.shape[1])
        numbers = [c for c in COMPONENTS if c < most] + [most]
        if self.n_components is not None:
            numbers = [min(self.n_components, most)]
        regularizations = REGULARIZATIONS if self.regularization is None else (self.regularization,)
        for pairs, (_, outer) in zip(fitted, splits, strict=True):
            chosen = generator.permutation(outer)[:MOST_LEFT_OUT]
            for k, g in product([k for k in AXES if k < spanned] + [every], regularizations):
                to_x, to_y = pairs.projections(k, g, most)
                z_x, z_y = to_x(x[chosen]), to_y(y[chosen])
                for c in numbers:
                    found = foscttm(unit_rows(z_x[:, :c]), unit_rows(z_y[:, :c]))
                    errors[k, g, c] = errors.get((k, g, c), 0.0) + found / len(splits)
        return errors


@dataclass(frozen=True)
class _Pairs:
    """Decompositions of paired cells, which serve all regularizations.

    Parameters
    ----------
    x, y
        Of either modality, of n cells and ranks r_x and r_y.
    products : (r_x, r_y)
        Of their left singular vectors.
    n_features
        Numbers of features.
    """

    x: CenteredSVD
    y: CenteredSVD
    products: NDArray[np.float64]
    n_features: tuple[int, int]

    @classmethod
    def of(cls, x: NDArray[np.float32], y: NDArray[np.float32]) -> _Pairs:
        """Decompose scores (n, d_x) and (n, d_y) of pairs."""
        svd_x, svd_y = CenteredSVD.of(x), CenteredSVD.of(y)
        return cls(svd_x, svd_y, svd_x.U.T @ svd_y.U, (x.shape[1], y.shape[1]))

    @property
    def most(self) -> int:
        """Largest number of components."""
        return min(self.products.shape)

    def projections(
        self, n_axes: int, regularization: float, n_components: int
    ) -> tuple[LinearProjection, LinearProjection]:
        """Return the maps to the canonical variates, scaled by their correlations."""
        from scipy.linalg import svd

        sides = (self.x, self.y)
        scales = [
            _shrunk(side.s[:n_axes], min(p, n_axes), regularization)
            for side, p in zip(sides, self.n_features, strict=True)
        ]
        left, right = (side.s[:n_axes] / scale for side, scale in zip(sides, scales, strict=True))
        U, r, Vt = svd(left[:, None] * self.products[:n_axes, :n_axes] * right, full_matrices=False)
        first, second = (
            LinearProjection(side.mean, (side.V[:, :n_axes] / scale) @ rotation[:, :n_components] * r[:n_components])
            for side, scale, rotation in zip(sides, scales, (U, Vt.T), strict=True)
        )
        return first, second


def _shrunk(s: NDArray[np.float64], n_features: int, regularization: float) -> NDArray[np.float64]:
    """Singular values of scores whose covariance is shrunk toward its mean variance."""
    variance = s**2
    return np.sqrt((1 - regularization) * variance + regularization * variance.sum() / n_features)


def foscttm(x: NDArray[np.floating], y: NDArray[np.floating]) -> float:
    """Fraction of cells closer than the true match, as the metric, for pairs (n, L) of rows of length 1."""
    similarity = x @ y.T
    closer = 0.0
    for direction in (similarity, similarity.T):
        true = np.diag(direction)[:, None]
        ties = (direction == true).sum(axis=1)
        closer += (direction > true).sum() + 0.5 * ties[ties > 1].sum()
    return float(closer / (2 * similarity.size))
