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
from jamie.explain.shap.cells import background_of, explained_cells
from jamie.explain.shap.expected_gradients import TOLERANCE, path_gradients
from jamie.explain.shap.outputs import outputs_of
from jamie.explain.shap.package import by_gradient, by_kernel, by_permutation
from jamie.explain.shap.tables import additivity, annotated, top_features
from jamie.explain.shap.task import LATENT, Attributed, ShapTask

Algorithm = Literal["expected_gradients", "gradient", "kernel", "permutation"]
SAMPLES = 3200  # gradients of a cell by default, at most
SHARING = 10  # features for each score or latent, from which on they share their credit

log = logging.getLogger(__name__)


class Shap(Explainer):
    r"""Shapley values: how much each feature of a cell adds to what is imputed for it, or to its latents.

    .. math:: \sum_j \phi_j(x) = f(x) - \sum_b w_b f(x_b)

    f is the model from one modality's values to another's, both in their own units, preprocessing, all networks of the
    ensemble and inverse preprocessing included; b are background cells. The batch of the explained cell stays as it is.

    By default values are expected gradients, as of the shap package's GradientExplainer. That one draws background
    cells and points on the paths from them at random, and misses the sum by the standard deviation of one draw over
    the square root of their number. Here each background cell is taken equally often, and points are nodes of
    Gauss-Legendre quadrature, as many as it takes for a hundredth of the prediction's standard deviation. Where
    preprocessing is affine, gradients are taken with respect to its scores.

    Values say what the model relies on. Where it sees many features through few principal components or latents, those
    that vary together share their credit; rankings of single features, such as of a gene's regulators, take a model
    with more of both.

    Parameters
    ----------
    source
        Modality whose features explain; the only other one than the target by default, the first where neither is
        given, or for the latents.
    target
        Modality that is imputed, the only other one by default; ``latent`` for the latents.
    features
        Features of the target; their number takes those that are imputed best in held-out cells. Of latents numbers
        such as ``[0, 3]``, or how many of those that vary most.
    algorithm
        ``expected_gradients``, or an explainer of the shap package: ``gradient`` (GradientExplainer), ``kernel``
        (KernelExplainer), ``permutation`` (PermutationExplainer). The last two need no gradients, and are slow for
        many features.
    background
        Number of training cells, or of clusters of them, that a cell is compared with.
    background_by
        ``sample`` draws the cells; ``kmeans`` takes the centres of clusters, weighted by their size.
    cells
        Number of cells to explain: held-out ones first, each label in proportion.
    samples
        Gradients or evaluations of each cell; null leaves it to the algorithm. For ``expected_gradients`` the most
        that it may take.
    top
        Features of the table for each target.
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
        found = self._attributed(task, context)
        sums = additivity(task, found)
        return Explanation(
            explainer=self.name,
            title=_title(task),
            settings=self._settings(task, found),
            tables={"top": top_features(task, found, self.top), "additivity": sums},
            values=annotated(task, found),
            notes=self._notes(task, float(np.nan_to_num(sums["error"]).max())),
        )

    def _task(self, subject: Explainable, context: Context) -> ShapTask:
        generator = context.generator()
        outputs = outputs_of(subject, self.source, self.target, self.features)
        cells = explained_cells(subject, outputs.source, self.cells, generator)
        background = background_of(subject, outputs.source, self.background, self.background_by, generator)
        X = subject.complete(outputs.source, subject.dataset.modalities[outputs.source].input.X[cells])
        return ShapTask(subject, outputs, cells, to_dense(X), background)

    def _attributed(self, task: ShapTask, context: Context) -> Attributed:
        if self.algorithm == "expected_gradients":
            return path_gradients(task, self.samples or SAMPLES, context)
        by_package = {"gradient": by_gradient, "kernel": by_kernel, "permutation": by_permutation}
        return by_package[self.algorithm](task, self.samples, context)

    def _settings(self, task: ShapTask, found: Attributed) -> dict[str, Any]:
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
            **found.settings,
        }

    def _notes(self, task: ShapTask, error: float) -> tuple[str, ...]:
        notes = []
        if error > TOLERANCE:
            more = "more samples" if self.algorithm in ("expected_gradients", "gradient") else "more background cells"
            notes.append(
                f"The values of a cell do not quite add up to its prediction: they miss it by {100 * error:.1f} % "
                f"of the prediction's standard deviation. With {more} they come nearer."
            )
            log.warning("shap: values miss the prediction by %.1f %% of its standard deviation", 100 * error)
        notes += _shared_credit(task)
        if task.covariates is not None:
            notes.append("Each cell is compared with the background as if that were of its own batch.")
        return tuple(notes)


def _shared_credit(task: ShapTask) -> list[str]:
    """Say so where the model sees many features through few numbers."""
    source, p = task.outputs.source, task.X.shape[1]
    scores = task.subject.scores(source)[task.cells]
    n_scores, n_latents = scores.shape[1], task.subject.embed(source, scores, task.cells).shape[1]
    if p < SHARING * min(n_scores, n_latents):
        return []
    return [
        f"The model sees the {p} features of {source} through {n_scores} scores and {n_latents} latents, so that "
        "features which vary together share their credit. To rank single features, train a model with more of both "
        "(n_components of pca, or no pca; model.latent_dim)."
    ]


def _title(task: ShapTask) -> str:
    names, target = task.outputs.names, task.outputs.target
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"{shown if target is None else f'{target}: {shown}'}, from {task.outputs.source}"
