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
from jamie.explain.modules import tensor_on_device_of
from jamie.explain.shap.task import ShapleyValues, ShapTask

MANY_FEATURES = 200  # above which explainers that remove features one by one are slow
GRADIENT_SAMPLES, KERNEL_SAMPLES, PERMUTATIONS = 200, 2048, 10  # as in the package

log = logging.getLogger(__name__)


def gradient_values(task: ShapTask, samples: int | None, context: Context) -> ShapleyValues:
    """`shap.GradientExplainer`: gradients at random points of paths from random background cells."""
    import shap

    _require_equal_weights(task, "gradient")
    module = task.module(preprocessed=False)
    background, n_samples = tensor_on_device_of(module, task.background.X), samples or GRADIENT_SAMPLES

    def explain(cell: int, seed: int) -> Floats:
        batch = None if task.covariates is None else tensor_on_device_of(module, task.covariates[[cell]])
        explainer = shap.GradientExplainer(_OutputsInBatch(task, module, batch), background)
        return explainer.shap_values(tensor_on_device_of(module, task.X[[cell]]), nsamples=n_samples, rseed=seed)

    return _explain_each_cell(task, explain, n_samples, context)


def kernel_values(task: ShapTask, samples: int | None, context: Context) -> ShapleyValues:
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
    background = DenseData(task.background.X, [str(i) for i in range(p)], None, task.background.weights)

    def explain(cell: int, seed: int) -> Floats:
        explainer = shap.KernelExplainer(lambda X: task.predict(X.astype(np.float32), cell), background)
        # without l1_reg=False only ten features would get a value
        return explainer.shap_values(task.X[[cell]], nsamples=n_samples, l1_reg=False, silent=True)

    return _explain_each_cell(task, explain, n_samples, context)


def permutation_values(task: ShapTask, samples: int | None, context: Context) -> ShapleyValues:
    """`shap.PermutationExplainer`: features replaced one after the other, in random orders forth and back."""
    import shap

    _require_equal_weights(task, "permutation")
    n_background, p = task.background.X.shape
    per_permutation = 2 * p + 1
    n_samples = samples or PERMUTATIONS * per_permutation
    if n_samples < per_permutation:
        raise DataError(
            f"expected at least {per_permutation} samples for {p} features, found {n_samples}",
            where="explainer 'shap', samples",
            fix="give more, or omit the option",
        )
    _warn_of_many_features(task, "permutation", n_samples)
    masker = shap.maskers.Independent(task.background.X, max_samples=n_background)

    def explain(cell: int, seed: int) -> Floats:
        explainer = shap.PermutationExplainer(lambda X: task.predict(X.astype(np.float32), cell), masker, seed=seed)
        return explainer(task.X[[cell]], max_evals=n_samples, silent=True).values

    return _explain_each_cell(task, explain, n_samples, context)


class _OutputsInBatch(nn.Module):
    """x (n, p) -> the explained outputs (n, T), in the batch of one cell."""

    def __init__(self, task: ShapTask, module: nn.Module, batch: Tensor | None) -> None:
        super().__init__()
        self.task, self.module, self.batch = task, module, batch

    def forward(self, x: Tensor) -> Tensor:
        covariates = None if self.batch is None else self.batch.expand(len(x), -1)
        outputs: Tensor = self.task.select(self.module(x, covariates))
        return outputs


def _explain_each_cell(
    task: ShapTask, explain: Callable[[int, int], Any], n_samples: int, context: Context
) -> ShapleyValues:
    """Collect the values (T, k, p) from those (1, p, T) of each cell and a seed."""
    k, p = task.X.shape
    values = np.empty((len(task.outputs.names), k, p), np.float32)
    generator = context.generator()
    with _numpy_seeded(int(generator.integers(2**31))):
        for cell in range(k):
            values[:, cell] = np.asarray(explain(cell, int(generator.integers(2**31)))).reshape(p, -1).T
            context.progress(EXPLAIN_STAGE, cell + 1, k, {})
    return ShapleyValues(values, {"samples": n_samples})


@contextmanager
def _numpy_seeded(seed: int) -> Iterator[None]:
    """Seed numpy's global generator, which the package uses, and restore it."""
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
            "is much faster",
            *(algorithm, float(samples) * n_background * k, p, k),
        )
