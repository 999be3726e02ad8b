"""Multi-omics factor analysis."""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveInt

from jamie.core.context import Context
from jamie.core.data import Cells
from jamie.core.interfaces import Method
from jamie.training.pair_sampler import matched_units

log = logging.getLogger(__name__)

EXTRA = 'pip install "jamie-toolkit[mofa]"'

Floats = NDArray[np.float64]
ViewName = tuple[str, str]  # "scores" or "targets", and the modality


@dataclass(frozen=True)
class Turned:
    """A view as mofapy2 reads it: centered, divided by one number, and turned by a random rotation.

    Principal components do not correlate with each other. Its prior, which weighs features one by one, would shrink
    all their loadings to 0.

    Parameters
    ----------
    mean : (d,)
        Of the view.
    scale
        What values are divided by.
    rotation : (d, v)
        Orthonormal columns; rows of features that are constant are 0.
    """

    mean: Floats
    scale: float
    rotation: Floats

    @classmethod
    def of(cls, x: NDArray[np.floating], generator: np.random.Generator) -> Turned:
        """Center, scale and turn a view (n, d)."""
        varies = x.std(axis=0) > 0
        n_varying = int(varies.sum())
        rotation = np.zeros((x.shape[1], n_varying))
        rotation[varies] = np.linalg.qr(generator.normal(size=(n_varying, n_varying)))[0]
        scale = float(np.sqrt(x[:, varies].var(axis=0, dtype=np.float64).mean())) if n_varying else 1.0
        return cls(x.mean(axis=0, dtype=np.float64), scale, rotation)

    def __call__(self, x: NDArray[np.floating]) -> Floats:
        """Turn cells (n, d)."""
        return np.asarray((x - self.mean) @ self.rotation / self.scale)

    def inverse(self, values: Floats) -> Floats:
        """Return turned cells (n, v) in the units of the view."""
        return np.asarray(self.mean + self.scale * values @ self.rotation.T)


@dataclass(frozen=True)
class Loadings:
    """How a turned view follows from the factors: ``x = W z``, with noise of precision tau for each feature.

    Parameters
    ----------
    weights : (v, L)
        W.
    precision : (v,)
        tau.
    """

    weights: Floats
    precision: Floats

    def factors(self, x: Floats) -> Floats:
        """(n, L) posterior means of the factors of cells (n, v), given this view alone."""
        weighted = self.weights * self.precision[:, None]
        return np.asarray(np.linalg.solve(self.weights.T @ weighted + np.eye(weighted.shape[1]), (x @ weighted).T).T)


@dataclass(kw_only=True, eq=False)
class MOFA(Method):
    """Multi-omics factor analysis (MOFA+), by the package mofapy2: factors that explain all modalities together.

    All training cells are fitted, those without a partner as cells whose other modality is missing. Factors that
    explain nothing are shrunk to 0 by automatic relevance determination. A cell is embedded by the posterior mean of
    its factors given its own modality, also a cell of the fit, and imputed by these factors' loadings on the other
    modality. Each modality is scaled to unit variance as a whole, and its scores are turned at random, since those of a
    PCA do not correlate and all loadings would be shrunk to 0. Needs ``pip install "jamie-toolkit[mofa]"``.

    Parameters
    ----------
    n_factors : int
        Number of factors, the dimensions L of the latent space.
    max_iterations : int
        Largest number of iterations of variational inference, which ends once it has converged.
    """

    name: ClassVar[str] = "mofa"
    references: ClassVar[tuple[str, ...]] = ("10.1186/s13059-020-02015-1",)
    needs: ClassVar[frozenset[str]] = frozenset({"pairs"})

    n_factors: PositiveInt = 15
    max_iterations: PositiveInt = 1000

    @classmethod
    def test_params(cls) -> dict[str, Any]:
        return {"n_factors": 4, "max_iterations": 50}

    def _fit(self, cells: Cells, context: Context) -> None:
        units, names = matched_units(cells.known), cells.modalities
        views = {("scores", m): cells.scores[m] for m in names}
        # a target that is no score is a view of its own
        views |= {("targets", m): y for m, y in cells.targets.items() if not np.array_equal(y, cells.scores[m])}
        rows = {m: units[:, cells.known.modalities.index(m)] for m in names}
        generator = context.generator()
        self._turned = {view: Turned.of(x, generator) for view, x in views.items()}
        values = {view: _of_units(self._turned[view](x), rows[view[1]]) for view, x in views.items()}
        self._loadings = self._factorize(values, int(generator.integers(2**31)))

    def _embed(self, scores: Mapping[str, NDArray[np.float32]] | None) -> Mapping[str, NDArray[np.floating]]:
        return {m: self._factors(m, x) for m, x in (scores or {}).items()}

    def _impute(self, scores: NDArray[np.float32], source: str, target: str) -> NDArray[np.floating]:
        to = ("targets", target) if ("targets", target) in self._loadings else ("scores", target)
        return self._turned[to].inverse(self._factors(source, scores) @ self._loadings[to].weights.T)

    def _state(self) -> Mapping[Any, Any]:
        turned, loadings = ({v: asdict(one) for v, one in of.items()} for of in (self._turned, self._loadings))
        return {"turned": turned, "loadings": loadings}

    def _set_state(self, state: Mapping[Any, Any]) -> None:
        self._turned = {view: Turned(**one) for view, one in state["turned"].items()}
        self._loadings = {view: Loadings(**one) for view, one in state["loadings"].items()}

    def _factors(self, modality: str, scores: NDArray[np.float32]) -> Floats:
        return self._loadings["scores", modality].factors(self._turned["scores", modality](scores))

    def _factorize(self, views: Mapping[ViewName, Floats], seed: int) -> dict[ViewName, Loadings]:
        try:
            from mofapy2.run.entry_point import entry_point
        except ImportError as error:
            raise self._data_error("expected the package mofapy2, found none", EXTRA) from error
        state = np.random.get_state()  # noqa: NPY002  mofapy2 sets it
        printed = io.StringIO()
        try:
            with redirect_stdout(printed):
                model = entry_point()
                model.set_data_options(scale_views=False, scale_groups=False)
                model.set_data_matrix([[values] for values in views.values()])
                model.set_model_options(factors=self.n_factors, spikeslab_weights=False, ard_weights=True)
                model.set_train_options(iter=self.max_iterations, convergence_mode="fast", seed=seed, quiet=True)
                model.build()
                model.run()
        finally:
            np.random.set_state(state)  # noqa: NPY002
            log.debug("mofapy2: %s", printed.getvalue())
        nodes = model.model.nodes
        weights, precisions = nodes["W"].getExpectations(), nodes["Tau"].getExpectations()
        return {
            name: Loadings(np.asarray(W["E"]), np.asarray(tau["E"][0]))
            for name, W, tau in zip(views, weights, precisions, strict=True)
        }


def _of_units(values: Floats, rows: NDArray[np.int64]) -> Floats:
    """(u, v) the values of each unit's cell, whose index is in `rows` (u,); NaN for a unit without one, -1."""
    return np.where(rows[:, None] >= 0, values[rows], np.nan)
