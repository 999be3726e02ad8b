"""Outputs of a model whose Shapley values are computed, for explained cells and background cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from jamie.core.explanation import Explainable, Floats
from jamie.core.matrix import row_chunks

LATENT = "latent"


@dataclass(frozen=True)
class ExplainedOutputs:
    """Outputs of a model that are explained.

    Parameters
    ----------
    source
        Modality whose features explain them.
    target
        Modality that is imputed; None for the latents.
    names
        Features of the target, or names of the latents.
    columns
        Positions of the latents.
    """

    source: str
    target: str | None
    names: tuple[str, ...]
    columns: tuple[int, ...] = ()


@dataclass(frozen=True)
class BackgroundCells:
    """Cells that the explained cells are compared with.

    Parameters
    ----------
    X : (B, p)
        Their values in units, without missing values.
    weights : (B,)
        Sum to 1.
    """

    X: Floats
    weights: NDArray[np.float64]


@dataclass(frozen=True)
class ShapTask:
    """Outputs of a model, for explained cells and background cells.

    Parameters
    ----------
    subject
        The model with its cells.
    outputs
        That are explained.
    cells : (k,)
        Positions of the explained cells.
    X : (k, p)
        Their values in units, without missing values.
    background
        Cells that they are compared with.
    """

    subject: Explainable
    outputs: ExplainedOutputs
    cells: NDArray[np.int64]
    X: Floats
    background: BackgroundCells

    @cached_property
    def covariates(self) -> Floats | None:
        """(k, C) batches of the explained cells, which are also taken for the background cells."""
        covariates = self.subject.covariates(self.outputs.source)
        return None if covariates is None else covariates[self.cells]

    def module(self, *, preprocessed: bool) -> nn.Module:
        """Return the model as a module, before `select`."""
        source, target, names = self.outputs.source, self.outputs.target, self.outputs.names
        return self.subject.module(source, target, None if target is None else names, preprocessed=preprocessed)

    def select(self, outputs: Any) -> Any:
        """Select the explained outputs (n, T) among those of the model."""
        return outputs[:, list(self.outputs.columns)] if self.outputs.target is None else outputs

    def predict(self, X: Floats, batch_of: int) -> Floats:
        """(n, T) outputs for values (n, p) of cells in the batch of the explained cell number `batch_of`, in blocks."""
        outputs = np.empty((len(X), len(self.outputs.names)), np.float32)
        for rows in row_chunks(*X.shape):
            cells = np.full(len(X[rows]), self.cells[batch_of])
            outputs[rows] = self._outputs(self.subject.preprocess(self.outputs.source, X[rows], cells), cells)
        return outputs

    @cached_property
    def prediction(self) -> Floats:
        """(k, T) outputs for the explained cells."""
        return self._outputs(self.subject.scores(self.outputs.source)[self.cells], self.cells)

    def _outputs(self, scores: Floats, cells: NDArray[np.int64]) -> Floats:
        source, target, names = self.outputs.source, self.outputs.target, self.outputs.names
        if target is None:
            latents: Floats = self.select(self.subject.embed(source, scores, cells))
            return latents
        return self.subject.impute(source, target, scores, cells, names)

    @cached_property
    def base(self) -> NDArray[np.float64]:
        """(k, T) mean output over the background, in the batch of each explained cell."""
        batches = np.zeros((len(self.cells), 1), np.float32) if self.covariates is None else self.covariates
        _, first, batch = np.unique(batches, axis=0, return_index=True, return_inverse=True)
        weights, X = self.background.weights, self.background.X
        return np.stack([weights @ self.predict(X, int(cell)) for cell in first])[batch.ravel()]


@dataclass(frozen=True)
class ShapleyValues:
    """Shapley values.

    Parameters
    ----------
    values : (T, k, p)
        Of each output, explained cell and feature, in units of the output.
    settings
        That the algorithm chose.
    """

    values: Floats
    settings: Mapping[str, Any]


def additivity_error(total: NDArray[np.floating], expected: NDArray[np.floating], sd: NDArray[np.floating]) -> Any:
    """(T,) root mean square difference over cells of totals and expected totals (k, T), in standard deviations (T,)."""
    rms = np.sqrt(np.mean((total - expected) ** 2, axis=0, dtype=np.float64))
    return np.divide(rms, sd, out=np.where(rms > 0, np.inf, 0.0), where=sd > 0)
