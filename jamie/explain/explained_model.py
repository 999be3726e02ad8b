"""A trained model with cells, as explainers see it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from torch import nn

from jamie.core.context import Context
from jamie.core.data import Block, Dataset, Matrix, Split
from jamie.core.errors import DataError
from jamie.core.explanation import Explainable, Floats
from jamie.core.matrix import to_dense
from jamie.explain.modules import Concatenation, ImputationModule, LatentModule
from jamie.model.choose_modalities import target_columns
from jamie.model.fitted_model import FittedModel
from jamie.model.trained import TrainedModel


class ExplainedModel(Explainable):
    """A trained model with cells.

    Parameters
    ----------
    model
        Trained.
    dataset
        With the features of the model, in its order.
    split
        Which cells the model was trained on.
    context
        For its memory limit.
    """

    def __init__(self, model: FittedModel, dataset: Dataset, split: Split, context: Context) -> None:
        self.model, self.dataset, self.split, self._context = model, dataset, split, context
        self.embeds, self.imputes = model.embeds and model.inductive, model.imputes
        self._scores: dict[str, Floats] = {}
        self._covariates = {m: model.covariates(m, data.obs) for m, data in dataset.modalities.items()}

    def scores(self, modality: str) -> Floats:
        if modality not in self._scores:
            self._scores[modality] = self.preprocess(modality, self.dataset.modalities[modality].input.X)
        return self._scores[modality]

    def preprocess(self, modality: str, X: Matrix, cells: NDArray[np.intp] | None = None) -> Floats:
        data = self.dataset.modalities[modality]
        obs = data.obs if cells is None else data.obs.iloc[cells]
        return self.model.scores(modality, Block(X, data.input.features, data.input.origin), obs, self._context)

    def complete(self, modality: str, X: Matrix) -> Matrix:
        return self.model.require(modality).chain.complete(X)

    def affine(self, modality: str) -> tuple[NDArray[np.float64] | sparse.csr_array, NDArray[np.float64]] | None:
        maps = [chain.affine() for chain in self.model.require(modality).input_chains]
        found = [one for one in maps if one is not None]
        if len(found) < len(maps) or len(maps) == 1:
            return maps[0] if len(found) == len(maps) else None
        return np.hstack([to_dense(A) for A, _ in found]), np.concatenate([b for _, b in found])

    def embed(self, modality: str, scores: Floats, cells: NDArray[np.intp] | None = None) -> Floats:
        if not self.embeds:
            can = "only imputes" if not self.model.embeds else "embeds only the very cells that it was fitted on"
            raise DataError(
                f"expected a model that embeds changed cells, found one that {can}",
                where=f"method '{self.model.name}'",
                fix="explain imputed values (shap with a target modality, knockout with metric: imputation)"
                if self.model.imputes
                else "explain a method that embeds any cells, such as rcca",
            )
        return np.asarray(self.model.encode(modality, scores, self._covariates_of(modality, cells)), np.float32)

    def impute(
        self,
        source: str,
        target: str,
        scores: Floats,
        cells: NDArray[np.intp] | None = None,
        features: Sequence[str] | None = None,
    ) -> Floats:
        columns = None if features is None else target_columns(self.model, target, features)
        covariates = self._covariates_of(source, cells)
        obs = self.dataset.modalities[source].obs
        obs = obs if cells is None else obs.iloc[cells]
        values = self.model.impute(source, target, scores, covariates, columns, obs=obs, intervals=False).mean
        return np.asarray(values, np.float32)

    def module(
        self,
        source: str,
        target: str | None = None,
        features: Sequence[str] | None = None,
        *,
        preprocessed: bool = False,
    ) -> nn.Module:
        if not isinstance(self.model, TrainedModel):
            raise DataError(
                "expected a model with gradients, found a method, which has none",
                where=f"method '{self.model.name}'",
                fix="choose what needs no gradients: shap with algorithm: permutation or kernel, or knockout",
            )
        networks, known = self.model.networks, self.model.require(source)
        chains = [] if preprocessed else [chain.as_module() for chain in known.input_chains]
        preprocessing = Concatenation(chains) if chains else nn.Identity()
        module: nn.Module
        if target is None:
            module = LatentModule(preprocessing, networks[0], source, known.n_scores)
        else:
            inverse, stack = self._inverse_module(target, features), self.model.stacks.get((source, target))
            module = ImputationModule(
                preprocessing,
                networks,
                source,
                target,
                inverse,
                known.n_scores,
                stack,
                known.first_predictor,
            )
        return module.to(next(networks[0].parameters()).device).eval()

    def covariates(self, modality: str) -> Floats | None:
        return self._covariates.get(modality)

    def _covariates_of(self, modality: str, cells: NDArray[np.intp] | None) -> Floats | None:
        covariates = self.covariates(modality)
        return covariates if covariates is None or cells is None else covariates[cells]

    def _inverse_module(self, target: str, features: Sequence[str] | None) -> nn.Module:
        """Return the target's inverse preprocessing; the error names the modality if it cannot be differentiated."""
        columns = None if features is None else target_columns(self.model, target, features)
        try:
            return self.model.require(target).target_chain.inverse(columns).as_module()
        except DataError as error:
            raise DataError(error.problem, where=f"{target}, {error.where}", fix=error.fix) from error
