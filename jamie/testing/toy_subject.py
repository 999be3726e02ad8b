"""The toy cells with a linear model, as explainers see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from jamie.core.correspondence import Correspondence, Correspondences
from jamie.core.data import Dataset, Matrix, ModalityData, Split
from jamie.core.explanation import Explainable
from jamie.testing import toy


class ToySubject(Explainable):
    """The toy cells with a linear model, as an explainer sees it; a third of the cells is held out.

    Parameters
    ----------
    n_modalities
        Two or three.
    labels
        Whether the cells have labels.
    known
        Whether the cells that two modalities share are known pairs.
    missing
        Whether values of every third feature are missing, which the model replaces by the feature's mean.

    Example
    -------
    ``MyExplainer().explain(ToySubject(missing=True))``
    """

    def __init__(
        self, n_modalities: int = 2, *, labels: bool = True, known: bool = True, missing: bool = False
    ) -> None:
        data = toy.modalities(n_modalities)
        if missing:
            data = {m: _with_missing_values(cells) for m, cells in data.items()}
        if not labels:
            data = {m: replace(cells, obs=cells.obs.drop(columns=toy.LABEL)) for m, cells in data.items()}
        sizes = {m: cells.n_cells for m, cells in data.items()}
        ends = combinations(data, 2) if known else ()
        shared = {(a, b): Correspondence.from_names(data[a].cells, data[b].cells) for a, b in ends}
        pairs = Correspondences(sizes, shared)
        self.dataset = Dataset(data, pairs, pairs, (toy.LABEL,) if labels else ())
        self.split = Split({m: np.arange(n) % 3 > 0 for m, n in sizes.items()})
        self._network = toy.Model()
        self._affine = {m: _basis(m) for m in data}

    def scores(self, modality: str) -> NDArray[np.float32]:
        """(n, d) as of `Explainable`."""
        return self.preprocess(modality, self.dataset.modalities[modality].input.X)

    def preprocess(self, modality: str, X: Matrix, cells: NDArray[np.intp] | None = None) -> NDArray[np.float32]:
        """Center, scale and rotate (k, p) into (k, d)."""
        A, b = self._affine[modality]
        return (self.complete(modality, X) @ A + b).astype(np.float32)

    def complete(self, modality: str, X: Matrix) -> Matrix:
        """Replace each missing value by the feature's mean."""
        return np.where(np.isnan(X), toy.counts(modality).mean(axis=0), X)

    def affine(self, modality: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return A and b of the preprocessing."""
        return self._affine[modality]

    def embed(
        self, modality: str, scores: NDArray[np.float32], cells: NDArray[np.intp] | None = None
    ) -> NDArray[np.float32]:
        """(k, L) latents of (k, d)."""
        weight, _ = self._weights(modality, None, None, preprocessed=True)
        return (scores @ weight).astype(np.float32)

    def impute(
        self,
        source: str,
        target: str,
        scores: NDArray[np.float32],
        cells: NDArray[np.intp] | None = None,
        features: Sequence[str] | None = None,
    ) -> NDArray[np.float32]:
        """(k, t) values of another modality, from (k, d)."""
        weight, bias = self._weights(source, target, features, preprocessed=True)
        return (scores @ weight + bias).astype(np.float32)

    def module(
        self,
        source: str,
        target: str | None = None,
        features: Sequence[str] | None = None,
        *,
        preprocessed: bool = False,
    ) -> nn.Module:
        """Return the same as `embed` or `impute`, from values (k, p) or from scores."""
        weights = self._weights(source, target, features, preprocessed=preprocessed)
        return _Affine(*weights, np.zeros(len(weights[0])) if preprocessed else toy.counts(source).mean(axis=0))

    def covariates(self, modality: str) -> None:
        """None, as the model has no batches."""
        return

    def _weights(
        self, source: str, target: str | None, names: Sequence[str] | None, *, preprocessed: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Weight and bias of the composed affine map."""
        weight = self._network.mean[source].detach().numpy().astype(np.float64)
        bias = np.zeros(toy.N_LATENT)
        if not preprocessed:
            A, b = self._affine[source]
            weight, bias = A @ weight, b @ weight
        if target is None:
            return weight, bias
        known = toy.features(target)
        columns = np.arange(len(known)) if names is None else known.get_indexer(pd.Index(names))
        decoder = self._network.decoder[target].detach().numpy()[:, columns]
        return weight @ decoder, bias @ decoder + toy.counts(target).mean(axis=0)[columns]


class _Affine(nn.Module):
    """``x W + b``, with missing values replaced by the means (p,)."""

    def __init__(self, weight: NDArray[np.float64], bias: NDArray[np.float64], means: NDArray[np.floating]) -> None:
        super().__init__()
        self.means = torch.as_tensor(means, dtype=torch.float32)
        self.weight = torch.as_tensor(weight, dtype=torch.float32)
        self.bias = torch.as_tensor(bias, dtype=torch.float32)

    def forward(self, x: Tensor, covariates: Tensor | None = None) -> Tensor:
        return torch.where(x.isnan(), self.means, x) @ self.weight + self.bias


def _with_missing_values(cells: ModalityData) -> ModalityData:
    """Remove every fifth value of every third feature."""
    X = np.array(cells.input.X)
    X[::5, ::3] = np.nan
    block = replace(cells.input, X=X)
    return replace(cells, input=block, target=block)


def _basis(modality: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return A (p, d) and b (d,) that standardize counts and turn them."""
    X = toy.counts(modality).astype(np.float64)
    turned = np.linalg.qr(np.random.default_rng(3).normal(size=(X.shape[1], toy.N_SCORES[modality])))[0]
    A = turned / X.std(axis=0)[:, None]
    return A, -X.mean(axis=0) @ A
