"""What a knock-out removes, and what it measures, of which cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from jamie.core.context import Context
from jamie.core.errors import DataError
from jamie.core.explanation import Explainable
from jamie.core.matrix import to_dense
from jamie.explain.knockout.measures import ImputedCorrelation, LabelTransfer, Measure, TrueMatch
from jamie.explain.removal import Indices
from jamie.explain.selection import (
    CellChoice,
    choose_cells,
    choose_features,
    choose_label,
    choose_modality,
    embedded_pair,
    labelled_cells,
    require_pairs,
    subset_pair,
)
from jamie.metrics.label_transfer_accuracy import LabelTransferAccuracy

MetricName: TypeAlias = Literal["label_transfer_accuracy", "foscttm", "imputation"]


@dataclass(frozen=True)
class Plan:
    """What is removed and measured.

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
    def ends(self) -> tuple[str, str]:
        """Source and target."""
        return self.source, self.target


def plan_knockout(
    subject: Explainable,
    *,
    where: str,
    modality: str | None,
    metric: MetricName | None,
    source: str | None,
    target: str | None,
    label: str | None,
) -> Plan:
    """Decide on what was left open; parameters are those of the explainer, None where they were not given.

    Raises
    ------
    DataError
        Where modalities are unknown or do not go together, or labels are absent.
    """
    modality = choose_modality(subject, modality, f"{where}, modality")
    ends = _direction(subject, where, modality, source, target)
    if metric is None:
        obs = [subject.dataset.modalities[m].obs for m in ends]
        labelled = label is not None or any(all(name in one for one in obs) for name in subject.dataset.labels)
        metric = "label_transfer_accuracy" if labelled else "foscttm"
    if metric == "imputation" and ends[0] != modality:
        raise DataError(
            f"expected features of the source to be removed, found {ends[1]} imputed from {ends[0]} "
            f"without features of {modality}",
            where=f"{where}, metric imputation",
            fix=f"set source: {modality}",
        )
    if metric == "label_transfer_accuracy":
        return Plan(where, modality, *ends, metric, choose_label(subject, label, ends, f"{where}, label"))
    return Plan(where, modality, *ends, metric)


def _direction(
    subject: Explainable, where: str, modality: str, source: str | None, target: str | None
) -> tuple[str, str]:
    """Source and target, from the modality whose features are removed to the first other one by default."""
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


def latent_measure(
    subject: Explainable,
    plan: Plan,
    k: int | Literal["paper"],
    which: CellChoice | None,
    most: int | None,
    context: Context,
) -> tuple[Measure, Indices]:
    """Measure label transfer or FOSCTTM; also return the cells (n,) whose features are removed."""
    ends = plan.ends if plan.metric == "label_transfer_accuracy" or plan.source == plan.modality else plan.ends[::-1]
    cells = choose_cells(subject, ends, which, most, context)
    pair = embedded_pair(subject, *ends, cells, plan.label)
    if plan.metric == "foscttm":
        require_pairs(pair.truth, *ends, f"{plan.where}, metric foscttm")
        return TrueMatch(subject, pair), cells[plan.modality]
    rows, columns = labelled_cells(pair, f"{plan.where}, label '{plan.label}'")
    pair = subset_pair(pair, rows, columns)
    assert pair.labels_source is not None
    n_neighbors = LabelTransferAccuracy(k=k).n_neighbors(pair.labels_source.astype(str))
    kept = rows if plan.modality == plan.source else columns
    return LabelTransfer(subject, pair, plan.modality, n_neighbors), cells[plan.modality][kept]


def imputation_measure(
    subject: Explainable,
    plan: Plan,
    features: list[str] | None,
    which: CellChoice | None,
    most: int | None,
    context: Context,
    option: str = "features",
) -> tuple[ImputedCorrelation, Indices]:
    """Measure imputed values of some features, all by default, in cells of the source that have a partner.

    The `option` of the explainer that names them is for messages.
    """
    where = f"{plan.where}, {plan.source} to {plan.target}"
    block = subject.dataset.modalities[plan.target].target
    chosen = choose_features(block.features, features, f"{where}, {option}")
    cells = choose_cells(subject, plan.ends, which, None, context)
    truth = subject.dataset.truth.between(*plan.ends).subset(cells[plan.source], cells[plan.target])
    require_pairs(truth.matrix, *plan.ends, where)
    partner = truth.best_partner()
    rows = np.flatnonzero(partner >= 0)
    if most is not None and len(rows) > most:
        rows = np.sort(context.generator().choice(rows, most, replace=False))
    values = to_dense(block.X[cells[plan.target][partner[rows]]][:, block.features.get_indexer(chosen)])
    kept = cells[plan.source][rows]
    return ImputedCorrelation(subject, *plan.ends, chosen, kept, values), kept
