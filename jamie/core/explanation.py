"""The model as an explainer reads it, and the explanation that it returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.data import Dataset, Matrix, Split

if TYPE_CHECKING:
    from anndata import AnnData
    from torch import nn

Floats = NDArray[np.float32]
EXPLAIN_STAGE = "explain"  # stage under which explainers report progress


@dataclass(frozen=True)
class Explanation:
    """What drives a model, by one explainer.

    Parameters
    ----------
    explainer
        Name of the component.
    title
        What is explained, in a few words: ``"ephys: AP width, from rna"``.
    settings
        Parameters of the explainer and what followed from them, as plain values.
    tables
        By a short name; each becomes a .csv file and a table of the report.
    values
        Values of single cells: those of the cells that were explained in ``X``, by their features, with layers beside.
    notes
        What a reader must know, in plain words, such as an error of the method.

    Examples
    --------
    >>> table = pd.DataFrame({"feature": ["gene1"], "value": [0.5]})
    >>> Explanation("shap", "protein, from rna", tables={"features": table}).notes
    ()
    """

    explainer: str
    title: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    values: AnnData | None = None
    notes: tuple[str, ...] = ()


class Explainable(ABC):
    """A trained model with cells, as an explainer sees it.

    Attributes
    ----------
    dataset
        The cells before preprocessing; the features of ``dataset.modalities[m].input`` are those of the model, in its
        order.
    split
        Which of them the model was trained on.
    embeds
        Whether it embeds cells, as they are and with other values.
    imputes
        Whether it imputes modalities.

    Examples
    --------
    >>> from jamie.testing import toy
    >>> from jamie.testing.toy_subject import ToySubject
    >>> isinstance(ToySubject(), Explainable)
    True
    """

    dataset: Dataset
    split: Split
    embeds: bool = True
    imputes: bool = True

    @abstractmethod
    def scores(self, modality: str) -> Floats:
        """(n, d) preprocessed values of all cells of a modality."""

    @abstractmethod
    def preprocess(self, modality: str, X: Matrix, cells: NDArray[np.intp] | None = None) -> Floats:
        """Preprocess other values (k, p) of some cells (k,), all by default, into (k, d)."""

    def complete(self, modality: str, X: Matrix) -> Matrix:
        """Values (k, p) with what the model takes for missing ones in their place; as they are by default."""
        return X

    @abstractmethod
    def affine(self, modality: str) -> tuple[NDArray[np.float64] | sparse.csr_array, NDArray[np.float64]] | None:
        """Return A (p, d) and b (d,) where preprocessing is ``x A + b``; None where it is not."""

    @abstractmethod
    def embed(self, modality: str, scores: Floats, cells: NDArray[np.intp] | None = None) -> Floats:
        """Latent means (k, L) from preprocessed values (k, d) of some cells (k,), all by default."""

    @abstractmethod
    def impute(
        self,
        source: str,
        target: str,
        scores: Floats,
        cells: NDArray[np.intp] | None = None,
        features: Sequence[str] | None = None,
    ) -> Floats:
        """Values (k, t) of features of a modality, all by default, in its units, from preprocessed ones of another."""

    @abstractmethod
    def module(
        self,
        source: str,
        target: str | None = None,
        features: Sequence[str] | None = None,
        *,
        preprocessed: bool = False,
    ) -> nn.Module:
        """Return the differentiable ``forward(x, covariates)`` from cells of `source` to what the model makes of them.

        Parameters
        ----------
        source
            Modality of the cells x (k, p), in units; preprocessed ones (k, d) where `preprocessed`.
        target
            Modality that is imputed, in its units; None for the latents (k, L).
        features
            Of the target; all by default.

        Raises
        ------
        DataError
            Where a preprocessing step cannot be differentiated, or the model has no gradients.
        """

    @abstractmethod
    def covariates(self, modality: str) -> Floats | None:
        """(n, C) one-hot batches of all cells; None for a model without batch_key."""
