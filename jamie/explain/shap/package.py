"""Explainers of the shap package on a model of jamie."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from jamie.core.context import Context
from jamie.core.errors import DataError
from jamie.core.explanation import EXPLAIN_STAGE, Floats
from jamie.explain.modules import on
from jamie.explain.shap.task import Attributed, ShapTask

MANY_FEATURES = 200  # beyond which explainers that take features out one by one are slow
GRADIENT_SAMPLES, KERNEL_SAMPLES, PERMUTATIONS = 200, 2048, 10  # as in the package

log = logging.getLogger(__name__)


def by_gradient(task: ShapTask, samples: int | None, context: Context) -> Attributed:
    """`shap.GradientExplainer`: gradients at random points of paths from random background cells."""
    import shap

    _require_equal_weights(task, "gradient")
    module = task.module(preprocessed=False)
    background, n_samples = on(module, task.background.X), samples or GRADIENT_SAMPLES

    def explain(cell: int, seed: int) -> Floats:
        told = None if task.covariates is None else on(module, task.covariates[[cell]])
        explainer = shap.GradientExplainer(_OfOneCell(task, module, told), background)
        return explainer.shap_values(on(module, task.X[[cell]]), nsamples=n_samples, rseed=seed)

    return Attributed(_each_cell(task, explain, context), {"samples": n_samples})


def by_kernel(task: ShapTask, samples: int | None, context: Context) -> Attributed:
    """`shap.KernelExplainer`: a weighted regression on random sets of features."""
    import shap
    from shap.utils._legacy import DenseData  # what shap.kmeans returns: a background with weights

    (n_background, p), n_outputs = task.background.X.shape, len(task.outputs.names)
    n_samples = samples or 2 * p + KERNEL_SAMPLES
    _warn_of_many_features(task, "kernel", n_samples)
    context.require_memory(
        8 * n_background * n_samples * (p + n_outputs),
        f"the kernel explainer with {n_background} background cells, {n_samples} samples and {p} features",
        "choose algorithm: expected_gradients, or fewer background cells or samples",
    )
    names = [str(i) for i in range(p)]
    background = DenseData(task.background.X, names, None, task.background.weights)

    def explain(cell: int, seed: int) -> Floats:
        explainer = shap.KernelExplainer(lambda X: task.predict(X.astype(np.float32), cell), background)
        # without l1_reg=False all but ten features would get nothing
        return explainer.shap_values(task.X[[cell]], nsamples=n_samples, l1_reg=False, silent=True)

    return Attributed(_each_cell(task, explain, context), {"samples": n_samples})


def by_permutation(task: ShapTask, samples: int | None, context: Context) -> Attributed:
    """`shap.PermutationExplainer`: features replaced one after the other, in random orders and back."""
    import shap

    _require_equal_weights(task, "permutation")
    n_background, p = task.background.X.shape
    once = 2 * p + 1
    n_samples = samples or PERMUTATIONS * once
    if n_samples < once:
        raise DataError(
            f"expected at least {once} samples for {p} features, found {n_samples}",
            where="explainer 'shap', samples",
            fix="give more, or leave it out",
        )
    _warn_of_many_features(task, "permutation", n_samples)
    masker = shap.maskers.Independent(task.background.X, max_samples=n_background)

    def explain(cell: int, seed: int) -> Floats:
        explainer = shap.PermutationExplainer(lambda X: task.predict(X.astype(np.float32), cell), masker, seed=seed)
        return explainer(task.X[[cell]], max_evals=n_samples, silent=True).values

    return Attributed(_each_cell(task, explain, context), {"samples": n_samples})


class _OfOneCell(nn.Module):
    """x (n, p) -> the explained outputs (n, T), in the batch of one cell."""

    def __init__(self, task: ShapTask, module: nn.Module, covariates: Tensor | None) -> None:
        super().__init__()
        self.task, self.module, self.covariates = task, module, covariates

    def forward(self, x: Tensor) -> Tensor:
        """Apply the model."""
        told = None if self.covariates is None else self.covariates.expand(len(x), -1)
        outputs: Tensor = self.task.chosen(self.module(x, told))
        return outputs


def _each_cell(task: ShapTask, explain: Callable[[int, int], Any], context: Context) -> Floats:
    """(T, k, p) values, from those (1, p, T) of each cell and a seed."""
    k, p = task.X.shape
    values = np.empty((len(task.outputs.names), k, p), np.float32)
    generator = context.generator()
    with _numpy_seeded(int(generator.integers(2**31))):
        for cell in range(k):
            values[:, cell] = np.asarray(explain(cell, int(generator.integers(2**31)))).reshape(p, -1).T
            context.progress(EXPLAIN_STAGE, cell + 1, k, {})
    return values


@contextmanager
def _numpy_seeded(seed: int) -> Iterator[None]:
    """Seed numpy's global generator, from which the package draws, and leave it as it was."""
    before = np.random.get_state()  # noqa: NPY002 - the package draws from it
    np.random.seed(seed)  # noqa: NPY002
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        np.random.set_state(before)  # noqa: NPY002


def _require_equal_weights(task: ShapTask, algorithm: str) -> None:
    if np.ptp(task.background.weights) > 1e-9:
        raise DataError(
            f"expected background cells of equal weight for algorithm: {algorithm}, found clusters of different size",
            where="explainer 'shap'",
            fix="choose background_by: sample, or algorithm: expected_gradients or kernel",
        )


def _warn_of_many_features(task: ShapTask, algorithm: str, samples: int) -> None:
    (n_background, p), k = task.background.X.shape, len(task.cells)
    if p > MANY_FEATURES:
        log.warning(
            "shap: algorithm: %s imputes %.1g times for %d features of %d cells, which is slow; expected_gradients "
            "takes a small part of that",
            *(algorithm, float(samples) * n_background * k, p, k),
        )
