"""Regularized canonical correlation analysis, tuned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from jamie.core.context import Context
from jamie.core.data import Cells
from jamie.core.interfaces import Method
from jamie.correspondence.couplings.matching import unit_rows
from jamie.methods.known_pairs import known_pairs
from jamie.methods.linear_projection import restore_projections, state_of_projections
from jamie.regression.canonical_correlation import PairedDecomposition, foscttm
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
        self.projections = dict(zip((a, b), PairedDecomposition.of(x, y).projections(*best), strict=True))

    def _embed(self, scores: Mapping[str, NDArray[np.float32]] | None) -> dict[str, NDArray[np.floating]]:
        return {m: unit_rows(self.projections[m](x)) for m, x in (scores or {}).items()}

    def _state(self) -> Mapping[Any, Any]:
        return state_of_projections(self.projections)

    def _set_state(self, state: Mapping[Any, Any]) -> None:
        self.projections = restore_projections(state)

    def _errors(
        self, x: NDArray[np.float32], y: NDArray[np.float32], folds: NDArray[np.int64], generator: np.random.Generator
    ) -> dict[tuple[int, float, int], float]:
        """FOSCTTM of the pairs left out for each number of axes, regularization and number of components."""
        errors: dict[tuple[int, float, int], float] = {}
        splits = [(np.flatnonzero(folds != f), np.flatnonzero(folds == f)) for f in np.unique(folds)]
        fitted = [PairedDecomposition.of(x[inner], y[inner]) for inner, _ in splits]
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
