"""Shapley values."""

from __future__ import annotations

import logging
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, PositiveInt

from jamie.core.context import Context
from jamie.core.explanation import Explainable, Explanation
from jamie.core.interfaces import Explainer
from jamie.core.matrix import to_dense
from jamie.explain.shap.expected_gradients import TOLERANCE, expected_gradients
from jamie.explain.shap.package import gradient_values, kernel_values, permutation_values
from jamie.explain.shap.selection import background_cells, choose_outputs, explained_cells
from jamie.explain.shap.tables import additivity, top_features, values_as_anndata
from jamie.explain.shap.task import LATENT, ShapleyValues, ShapTask

Algorithm = Literal["expected_gradients", "gradient", "kernel", "permutation"]
SAMPLES = 3200  # largest number of gradients of a cell by default
SHARING = 10  # features for each score or latent, from which on they share credit

log = logging.getLogger(__name__)


class Shap(Explainer):
    r"""Shapley values: how much each feature of a cell adds to its imputed values, or to its latents.

    .. math:: \sum_j \phi_j(x) = f(x) - \sum_b w_b f(x_b)

    f is the model from one modality's values to another's, both in their own units, including preprocessing, all
    networks of the ensemble and inverse preprocessing; b are background cells. The batch of the explained cell is kept.

    By default values are expected gradients, as in the shap package's GradientExplainer. That one draws background
    cells and points on the paths from them at random, so that the sum has a sampling error. Here each background cell
    is used equally often, and the points are nodes of Gauss-Legendre quadrature, as many as are needed for an error of
    a hundredth of the prediction's standard deviation. If preprocessing is affine, gradients are computed with
    respect to its scores.

    Values say what the model relies on. If it sees many features through few principal components, or its
    networks through few latents, features that vary together share their credit; to rank single features, such as a
    gene's regulators, train a model with more components and latents.

    Parameters
    ----------
    source
        Modality whose features explain the output; by default the only one other than the target, or the first if
        no target is given or it is ``latent``.
    target
        Modality that is imputed, by default the only other one; ``latent`` for the latents.
    features
        Features of the target, or a number: that many that are imputed best in held-out cells. For latents, numbers
        such as ``[0, 3]``, or how many of those that vary most.
    algorithm
        ``expected_gradients``, or an explainer of the shap package: ``gradient`` (GradientExplainer), ``kernel``
        (KernelExplainer), ``permutation`` (PermutationExplainer). The last two need no gradients, and are slow for
        many features.
    background
        Number of training cells, or of clusters of them, that a cell is compared with.
    background_by
        ``sample`` draws the cells; ``kmeans`` takes the centers of clusters, weighted by their size.
    cells
        Number of cells to explain: held-out cells first, each label in proportion.
    samples
        Number of gradients or evaluations for each cell, chosen by the algorithm if null; for
        ``expected_gradients`` the largest number.
    top
        Number of features that are listed for each target.
    """

    name: ClassVar[str] = "shap"
    references: ClassVar[tuple[str, ...]] = ("10.1038/s42256-021-00343-w", "10.48550/arXiv.1705.07874")

    def __init__(
        self,
        *,
        source: str | None = None,
        target: str | None = None,
        features: PositiveInt | list[str | int] = 5,
        algorithm: Algorithm = "expected_gradients",
        background: Annotated[int, Field(ge=2)] = 100,
        background_by: Literal["sample", "kmeans"] = "sample",
        cells: Annotated[int, Field(ge=2)] = 200,
        samples: PositiveInt | None = None,
        top: PositiveInt = 20,
    ) -> None:
        self.source, self.target, self.features = source, target, features
        self.algorithm, self.samples = algorithm, samples
        self.background, self.background_by = background, background_by
        self.cells, self.top = cells, top

    @classmethod
    def test_params(cls) -> dict[str, Any]:
        return {"cells": 3, "background": 4, "features": 2, "top": 4}

    def _explain(self, subject: Explainable, context: Context) -> Explanation:
        task = self._task(subject, context)
        (k, p), n_outputs = task.X.shape, len(task.outputs.names)
        context.require_memory(
            4 * k * p * (n_outputs + 3),
            f"Shapley values of {n_outputs} targets for {k} cells x {p} features",
            "explain fewer cells or fewer targets",
        )
        shapley = self._shapley_values(task, context)
        sums = additivity(task, shapley)
        return Explanation(
            explainer=self.name,
            title=_title(task),
            settings=self._settings(task, shapley),
            tables={"top": top_features(task, shapley, self.top), "additivity": sums},
            values=values_as_anndata(task, shapley),
            notes=self._notes(task, float(np.nan_to_num(sums["error"]).max())),
        )

    def _task(self, subject: Explainable, context: Context) -> ShapTask:
        generator = context.generator()
        outputs = choose_outputs(subject, self.source, self.target, self.features)
        cells = explained_cells(subject, outputs.source, self.cells, generator)
        background = background_cells(subject, outputs.source, self.background, self.background_by, generator)
        X = subject.complete(outputs.source, subject.dataset.modalities[outputs.source].input.X[cells])
        return ShapTask(subject, outputs, cells, to_dense(X), background)

    def _shapley_values(self, task: ShapTask, context: Context) -> ShapleyValues:
        if self.algorithm == "expected_gradients":
            return expected_gradients(task, self.samples or SAMPLES, context)
        by_package = {"gradient": gradient_values, "kernel": kernel_values, "permutation": permutation_values}
        return by_package[self.algorithm](task, self.samples, context)

    def _settings(self, task: ShapTask, shapley: ShapleyValues) -> dict[str, Any]:
        train = task.subject.split.train[task.outputs.source][task.cells]
        return {
            "source": task.outputs.source,
            "target": task.outputs.target or LATENT,
            "features": list(task.outputs.names),
            "algorithm": self.algorithm,
            "background": len(task.background.X),
            "background_by": self.background_by,
            "cells": len(task.cells),
            "held_out": int((~train).sum()),
            **shapley.settings,
        }

    def _notes(self, task: ShapTask, error: float) -> tuple[str, ...]:
        notes = []
        if error > TOLERANCE:
            more = "more samples" if self.algorithm in ("expected_gradients", "gradient") else "more background cells"
            notes.append(
                f"The values of a cell do not quite add up to its prediction: the error is {100 * error:.1f} % "
                f"of the prediction's standard deviation. It falls with {more}."
            )
            log.warning("shap: values miss the prediction by %.1f %% of its standard deviation", 100 * error)
        source, p = task.outputs.source, task.X.shape[1]
        scores = task.subject.scores(source)[task.cells]
        n_scores = scores.shape[1]
        n_latents = task.subject.embed(source, scores, task.cells).shape[1] if task.subject.embeds else n_scores
        if task.subject.embeds and p >= SHARING * min(n_scores, n_latents):
            notes.append(
                f"The model sees the {p} features of {source} through {n_scores} scores, and its networks these "
                f"through {n_latents} latents, so that features which vary together share their credit. To rank single "
                "features, train a model with more of both (n_components of pca, or no pca; model.latent_dim)."
            )
        if task.covariates is not None:
            notes.append("Each cell is compared with the background cells as if they were of its own batch.")
        return tuple(notes)


def _title(task: ShapTask) -> str:
    names, target = task.outputs.names, task.outputs.target
    listed = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"{listed if target is None else f'{target}: {listed}'}, from {task.outputs.source}"
