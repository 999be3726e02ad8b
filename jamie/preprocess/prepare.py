"""Preparation of every modality: chains fitted on training cells, scores for the model, targets for its decoders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jamie.core.batch_key import BatchKey
from jamie.core.context import Context
from jamie.core.data import Block, Cells, Dataset, ModalityData, Split, View
from jamie.core.large_arrays import take_rows
from jamie.core.matrix import column_means
from jamie.core.panels import MeasuredTarget, assign_panels, fill_nan
from jamie.preprocess.chain import Chain, read_lazily
from jamie.preprocess.covariates import batch_covariates, size_factors, training_batches
from jamie.preprocess.pca import PCA


@dataclass(frozen=True)
class Prepared:
    """Cells as the model sees them.

    Parameters
    ----------
    dataset
        The cells before preprocessing.
    split
        Who is held out; nothing was fitted on those.
    chains
        Fitted preprocessing of each modality's input.
    target_chains
        Fitted preprocessing of each modality's target; the very same object as its input's unless the spec gives
        the target another.
    scores
        (n, d) preprocessed input of each modality, float32 and dense.
    targets
        (n, t) preprocessed target of each modality; the very same array as its scores where the chain is shared.
    batches
        The training cells' batches; None without batches.
    covariates
        (n, C) one-hot batch of each cell, a row of zeros where no training cell is of its batch; empty without
        batches.
    size_factor
        (n, 1) total of each cell's target over the training cells' median, of modalities whose decoder reads it.
    measured
        Which part of each cell's target was measured, of modalities of several panels.
    regression_chains
        Fitted preprocessing of what the regressions of `model.stack` read; a modality where they read `scores` is
        absent.
    regression_scores
        (n, r) what they read.
    """

    dataset: Dataset
    split: Split
    chains: Mapping[str, Chain]
    target_chains: Mapping[str, Chain]
    scores: Mapping[str, NDArray[np.float32]]
    targets: Mapping[str, NDArray[np.float32]]
    batches: BatchKey | None = None
    covariates: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    size_factor: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    measured: Mapping[str, MeasuredTarget] = field(default_factory=dict)
    regression_chains: Mapping[str, Chain] = field(default_factory=dict)
    regression_scores: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)

    def view(self, modality: str) -> View:
        """One modality as a correspondence inferer sees it."""
        block, links = self.dataset.modalities[modality].input, self.dataset.links.get(modality, {})
        if block.panels is not None:  # an inferer reads numbers only; means are uninformative
            block = replace(block, X=fill_nan(block.X, column_means(block.X)))
        elements = self.dataset.modalities[modality].elements.of_features(block.features, block.var)
        if block.var is not None:  # of the elements, which components must declare
            block = replace(block, var=None)
        return View(modality, block, self.scores[modality], links, self.chains[modality].unwhitening, elements)

    def inputs(
        self, modality: str, rows: NDArray[np.int64] | slice = slice(None)
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Return what a trained model reads of some cells of a modality.

        These are scores (k, d + r), first of the networks and then of the regressions, if they read others, and
        covariates (k, C); None without batches.
        """
        covariates, scores = self.covariates.get(modality), self.scores[modality][rows]
        if modality in self.regression_scores:
            scores = np.concatenate([scores, self.regression_scores[modality][rows]], axis=1)
        return scores, None if covariates is None else covariates[rows]

    def cells(self, label: str | None = None) -> Cells:
        """Return all cells as a method sees them; with the labels of a column of obs only where one is named."""
        data = self.dataset.modalities
        labels = {m: d.labels(label) for m, d in data.items() if label is not None and label in d.obs}
        views = {m: self.view(m) for m in data}
        extra = (labels, self.covariates, self.size_factor, self.measured)
        return Cells(views, self.targets, self.dataset.known, *extra)

    def subset(self, cells: Mapping[str, ArrayLike], *, lazily: bool = False) -> Prepared:
        """Keep the given cells (indices or boolean masks) of each modality; what was fitted stays.

        `lazily` as of `ModalityData.subset`: the matrices of large sparse cells are then not copied.
        """
        if all(np.asarray(mask).dtype == bool and np.all(mask) for mask in cells.values()):
            return self  # nothing is left out, and nothing need be copied
        kept = {m: np.arange(n)[np.asarray(cells[m])] for m, n in self.dataset.sizes.items()}
        scores = {m: take_rows(self.scores[m], index) for m, index in kept.items()}
        shared = {m: self.targets[m] is self.scores[m] for m in kept}
        return replace(
            self,
            dataset=self.dataset.subset(kept, lazily=lazily),
            split=Split({m: self.split.train[m][index] for m, index in kept.items()}),
            scores=scores,
            targets={m: scores[m] if shared[m] else take_rows(self.targets[m], index) for m, index in kept.items()},
            covariates={m: values[kept[m]] for m, values in self.covariates.items()},
            size_factor={m: values[kept[m]] for m, values in self.size_factor.items()},
            measured={m: part.subset(kept[m]) for m, part in self.measured.items()},
            regression_scores={m: take_rows(values, kept[m]) for m, values in self.regression_scores.items()},
        )


def prepare(dataset: Dataset, split: Split, spec: Any, context: Context) -> Prepared:
    """Fit the preprocessing of every modality on its training cells, and transform all cells.

    Parameters
    ----------
    dataset
        All cells.
    split
        Which of them anything may be fitted on.
    spec
        ``spec.modality(name)`` gives `preprocess`, `target` and `decoder` of a modality, ``spec.model.stack`` the
        regressions.
    context
        For its memory limit.

    Raises
    ------
    DataError
        Where a decoder reads size factors and half of the training cells have no counts.
    """
    context = context.for_stage("preprocess")
    chains: dict[str, Chain] = {}
    target_chains: dict[str, Chain] = {}
    scores: dict[str, NDArray[np.float32]] = {}
    targets: dict[str, NDArray[np.float32]] = {}
    sizes: dict[str, NDArray[np.float32]] = {}
    regression_chains: dict[str, Chain] = {}
    regression_scores: dict[str, NDArray[np.float32]] = {}
    for name, modality in dataset.modalities.items():
        settings, train = spec.modality(name), split.train[name]
        if settings.decoder.cls.uses_size_factor:
            sizes[name] = size_factors(modality.target, train, f"modality '{name}'")
        chain = _build_chain(name, settings.preprocess)
        last = chain.steps[-1] if chain.steps else None
        if spec.model.stack is not None and isinstance(last, PCA):
            last.n_stored = spec.model.stack.n_components
        chains[name] = _fit_chain(chain, modality.input, modality, train)
        scores[name] = chain.scores(modality.input.X, modality.obs, context)
        if isinstance(last, PCA) and last.n_stored:
            regression_chains[name] = chain.with_last(last.with_all_components())
            regression_scores[name] = regression_chains[name].scores(modality.input.X, modality.obs, context)
        if settings.target is None:
            target_chains[name], targets[name] = chains[name], scores[name]
            continue
        target = modality.target
        target_chains[name] = _fit_chain(
            _build_chain(f"{name} target", settings.target.preprocess), target, modality, train
        )
        targets[name] = target_chains[name].scores(target.X, modality.obs, context)
    batches = training_batches(dataset, split)
    covariates = batch_covariates(dataset, batches)
    parts = {m: _measured(d.target, target_chains[m]) for m, d in dataset.modalities.items()}
    measured = {m: part for m, part in parts.items() if part is not None}
    return Prepared(
        dataset=dataset,
        split=split,
        chains=chains,
        target_chains=target_chains,
        scores=scores,
        targets=targets,
        batches=batches,
        covariates=covariates,
        size_factor=sizes,
        measured=measured,
        regression_chains=regression_chains,
        regression_scores=regression_scores,
    )


def _measured(target: Block, chain: Chain) -> MeasuredTarget | None:
    """Return which part of each cell's target was measured; None where all of it was, in all cells."""
    if target.panels is None:
        return None
    parts = tuple(chain.measured_part(features) for features in target.panels)
    return MeasuredTarget(assign_panels(target.X, target.panels), parts)


def _build_chain(name: str, refs: Sequence[Any]) -> Chain:
    return Chain([ref.build() for ref in refs], name)


def _fit_chain(chain: Chain, block: Block, modality: ModalityData, train: NDArray[np.bool_]) -> Chain:
    """Fit a chain on the training cells of a block of a modality."""
    obs, elements = modality.obs, modality.elements.of_features(block.features, block.var)
    if train.all():
        return chain.fit(block.X, obs, block.features, block.panels, elements)
    rows = np.flatnonzero(train)
    X = read_lazily(block.X, obs, rows) if block.panels is None and chain.steps else block.X[rows]
    return chain.fit(X, obs[train], block.features, block.panels, elements.subset(rows))
