"""What a knock-out removes, and the metric that it computes on which cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from scipy import sparse

from jamie.core.errors import DataError
from jamie.core.evaluation import EmbeddedPair
from jamie.core.explanation import Explainable
from jamie.core.matrix import to_dense
from jamie.explain.knockout.perturbed_metrics import (
    PerturbedFoscttm,
    PerturbedImputation,
    PerturbedLabelTransfer,
    PerturbedMetric,
)
from jamie.explain.removal import Indices
from jamie.explain.selection import (
    CellSelection,
    choose_features,
    choose_label,
    choose_modality,
    default_label,
    labelled_cells,
)
from jamie.metrics.label_transfer_accuracy import LabelTransferAccuracy

MetricName: TypeAlias = Literal["label_transfer_accuracy", "foscttm", "imputation"]

_MIN_PAIRS = 3  # for a meaningful correlation


@dataclass(frozen=True)
class KnockoutPlan:
    """What is removed, and the metric.

    Parameters
    ----------
    where
        For messages.
    modality
        Whose features are removed.
    source, target
        Direction of the metric; one of them is `modality`.
    metric
        Its name.
    label
        That is transferred; None for other metrics.
    """

    where: str
    modality: str
    source: str
    target: str
    metric: MetricName
    label: str | None = None

    @property
    def direction(self) -> tuple[str, str]:
        """Source and target."""
        return self.source, self.target


def plan_knockout(
    subject: Explainable,
    where: str,
    modality: str | None,
    metric: MetricName | None,
    direction: tuple[str | None, str | None],
    label: str | None,
) -> KnockoutPlan:
    """Choose what the user left open. Parameters are those of the explainer, None if not given.

    Raises
    ------
    DataError
        If modalities are unknown or do not fit together, or labels are absent.
    """
    modality = choose_modality(subject, modality, f"{where}, modality")
    ends = _direction(subject, where, modality, *direction)
    if metric is None and subject.imputes and not subject.embeds:
        metric = "imputation"
    if metric is None:
        labelled = label is not None or default_label(subject, ends) is not None
        metric = "label_transfer_accuracy" if labelled else "foscttm"
    if metric == "imputation" and ends[0] != modality:
        raise DataError(
            f"expected features of the source to be removed, found {ends[1]} imputed from {ends[0]} "
            f"without features of {modality}",
            where=f"{where}, metric imputation",
            fix=f"set source: {modality}",
        )
    transferred = metric == "label_transfer_accuracy"
    label = choose_label(subject, label, ends, f"{where}, label") if transferred else None
    return KnockoutPlan(where, modality, *ends, metric, label)


def _direction(
    subject: Explainable, where: str, modality: str, source: str | None, target: str | None
) -> tuple[str, str]:
    """Source and target; by default from the modality whose features are removed to the first other one."""
    if source is None and target == modality:
        return choose_modality(subject, None, f"{where}, source", other_than=modality), modality
    source = choose_modality(subject, source or modality, f"{where}, source")
    if target is None and source != modality:
        target = modality
    target = choose_modality(subject, target, f"{where}, target", other_than=source)
    if modality not in (source, target):
        raise DataError(
            f"expected a direction from or to {modality}, whose features are removed, found {source} to {target}",
            where=where,
            fix=f"set source or target to {modality}, or choose another modality",
        )
    return source, target


def latent_metric(
    subject: Explainable, plan: KnockoutPlan, k: int | Literal["paper"], selection: CellSelection
) -> tuple[PerturbedMetric, Indices]:
    """Return label transfer or FOSCTTM, and the cells (n,) whose features are removed."""
    # FOSCTTM is symmetric: features are removed of its source
    source, target = plan.direction if plan.label or plan.source == plan.modality else plan.direction[::-1]
    cells = selection.positions(subject, (source, target))
    z = {m: subject.embed(m, subject.scores(m)[positions], positions) for m, positions in cells.items()}
    labels = {}
    if plan.label is not None:
        for m in cells:
            labelled = labelled_cells(subject, m, plan.label, cells[m], plan.where)
            cells[m], z[m] = cells[m][labelled], z[m][labelled]
            labels[m] = subject.dataset.modalities[m].labels(plan.label)[cells[m]]
    truth = sparse.csr_array(subject.dataset.truth.between(source, target).matrix[cells[source]][:, cells[target]])
    pair = EmbeddedPair(source, target, z[source], z[target], truth, labels.get(source), labels.get(target))
    if plan.label is None:
        _require_pairs(truth, source, target, f"{plan.where}, metric foscttm")
        return PerturbedFoscttm(subject, pair), cells[plan.modality]
    n_neighbors = LabelTransferAccuracy(k=k).n_neighbors(labels[source].astype(str))
    return PerturbedLabelTransfer(subject, pair, plan.modality, n_neighbors), cells[plan.modality]


def imputation_metric(
    subject: Explainable, plan: KnockoutPlan, features: list[str] | None, selection: CellSelection, option: str
) -> tuple[PerturbedImputation, Indices]:
    """Return the imputation metric of features, all by default, and the cells of the source that have a partner.

    The `option` of the explainer that names the features is for messages.
    """
    where = f"{plan.where}, {plan.source} to {plan.target}"
    block = subject.dataset.modalities[plan.target].target
    features_index = choose_features(block.features, features, f"{where}, {option}")
    cells = CellSelection(selection.subset, None, selection.context).positions(subject, plan.direction)
    truth = subject.dataset.truth.between(*plan.direction).subset(cells[plan.source], cells[plan.target])
    _require_pairs(truth.matrix, *plan.direction, where)
    partner = truth.best_partner()
    rows = np.flatnonzero(partner >= 0)
    if selection.max_cells is not None and len(rows) > selection.max_cells:
        rows = np.sort(selection.context.generator().choice(rows, selection.max_cells, replace=False))
    values = to_dense(block.X[cells[plan.target][partner[rows]]][:, block.features.get_indexer(features_index)])
    cells_with_partner = cells[plan.source][rows]
    return PerturbedImputation(subject, *plan.direction, features_index, cells_with_partner, values), cells_with_partner


def _require_pairs(truth: sparse.csr_array, source: str, target: str, where: str) -> None:
    if truth.nnz < _MIN_PAIRS:
        raise DataError(
            f"expected at least {_MIN_PAIRS} cells that are known to be the same in {source} and {target}, "
            f"found {truth.nnz}",
            where=where,
            fix="choose other cells (`cells: all`), or metric: label_transfer_accuracy",
        )
