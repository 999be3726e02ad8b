"""What is explained by Shapley values: outputs of a model, for some cells, against a background."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from jamie.core.explanation import Explainable, Floats
from jamie.core.matrix import row_chunks

LATENT = "latent"


@dataclass(frozen=True)
class Outputs:
    """What of a model is explained.

    Parameters
    ----------
    source
        Modality whose features explain it.
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
class Background:
    """What a feature is replaced by where it is taken out.

    Parameters
    ----------
    X : (B, p)
        Cells in units, without missing values.
    weights : (B,)
        Together 1.
    """

    X: Floats
    weights: NDArray[np.float64]


@dataclass(frozen=True)
class ShapTask:
    """Outputs of a model, for some cells, against a background.

    Parameters
    ----------
    subject
        The model with its cells.
    outputs
        What is explained.
    cells : (k,)
        Positions of the explained cells.
    X : (k, p)
        The same cells in units, without missing values.
    background
        What they are compared with.
    """

    subject: Explainable
    outputs: Outputs
    cells: NDArray[np.int64]
    X: Floats
    background: Background

    @cached_property
    def covariates(self) -> Floats | None:
        """(k, C) batches of the explained cells, which those that they are compared with are taken to share."""
        told = self.subject.covariates(self.outputs.source)
        return None if told is None else told[self.cells]

    def module(self, *, preprocessed: bool) -> nn.Module:
        """Return the model as a module; its outputs are still to be chosen."""
        given = self.outputs
        names = None if given.target is None else given.names
        return self.subject.module(given.source, given.target, names, preprocessed=preprocessed)

    def chosen(self, outputs: Any) -> Any:
        """Choose the explained ones (n, T) among those of the model."""
        return outputs[:, list(self.outputs.columns)] if self.outputs.target is None else outputs

    def predict(self, X: Floats, like: int) -> Floats:
        """(n, T) outputs for values (n, p) of cells that are in the batch of the explained cell `like`, in blocks."""
        given, subject = self.outputs, self.subject
        found = np.empty((len(X), len(given.names)), np.float32)
        for rows in row_chunks(*X.shape):
            cells = np.full(len(X[rows]), self.cells[like])
            scores = subject.preprocess(given.source, X[rows], cells)
            if given.target is None:
                found[rows] = self.chosen(subject.embed(given.source, scores, cells))
            else:
                found[rows] = subject.impute(given.source, given.target, scores, cells, given.names)
        return found

    @cached_property
    def prediction(self) -> Floats:
        """(k, T) outputs for the explained cells."""
        given, subject, cells = self.outputs, self.subject, self.cells
        scores = subject.scores(given.source)[cells]
        if given.target is None:
            found: Floats = self.chosen(subject.embed(given.source, scores, cells))
            return found
        return subject.impute(given.source, given.target, scores, cells, given.names)

    @cached_property
    def base(self) -> NDArray[np.float64]:
        """(k, T) mean output over the background, in the batch of each explained cell."""
        told = np.zeros((len(self.cells), 1), np.float32) if self.covariates is None else self.covariates
        _, first, batch = np.unique(told, axis=0, return_index=True, return_inverse=True)
        weights, X = self.background.weights, self.background.X
        return np.stack([weights @ self.predict(X, int(like)) for like in first])[batch.ravel()]


@dataclass(frozen=True)
class Attributed:
    """Shapley values.

    Parameters
    ----------
    values : (T, k, p)
        Of each output, explained cell and feature, in units of the output.
    settings
        What the algorithm chose.
    """

    values: Floats
    settings: Mapping[str, Any] = field(default_factory=dict)


def additivity_error(total: NDArray[np.floating], expected: NDArray[np.floating], sd: NDArray[np.floating]) -> Any:
    """(T,) root mean square over cells of what values (k, T) lack of adding up, in parts of a standard deviation."""
    wrong = np.sqrt(np.mean((total - expected) ** 2, axis=0, dtype=np.float64))
    return np.divide(wrong, sd, out=np.where(wrong > 0, np.inf, 0.0), where=sd > 0)
