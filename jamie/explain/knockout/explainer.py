"""Knock-out: how much a metric changes when features are removed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import NonNegativeInt, PositiveInt

from jamie.core.context import Context
from jamie.core.errors import DataError
from jamie.core.explanation import Explainable, Explanation
from jamie.core.interfaces import Explainer
from jamie.explain.knockout.changes import metric_changes
from jamie.explain.knockout.feature_groups import groups_from_column, groups_from_file
from jamie.explain.knockout.perturbed_metrics import PerturbedMetric
from jamie.explain.knockout.plan import KnockoutPlan, MetricName, imputation_metric, latent_metric, plan_knockout
from jamie.explain.knockout.windows import knock_out_windows
from jamie.explain.removal import BackgroundValue, FeatureGroups, Indices, Removal
from jamie.explain.selection import CellSelection, CellSubset


class Knockout(Explainer):
    r"""Change of a metric when each feature, or group of features, is replaced by its background value.

    .. math:: \Delta_j = M(x \text{ with } x_j = m_j) - M(x)

    The cells are embedded or imputed again without the feature, with m its background value: by default its mean over
    the training cells. If there are more features than `exact`, the change is estimated for all of them to first
    order, and computed exactly for those whose removal is expected to harm most. If exact changes are equal (label
    transfer has steps of one cell), the estimate decides which ranks higher.

    Parameters
    ----------
    modality
        Whose features are removed; the first by default.
    metric
        ``label_transfer_accuracy``, ``foscttm`` or ``imputation``: the mean correlation of imputed with measured
        values. By default imputation if `features` or `windows` are given or the model does not embed, otherwise label
        transfer if there are labels, otherwise FOSCTTM.
    source, target
        Direction of the metric: labels are transferred from `source` to `target`, or `target` is imputed from `source`.
        By default from `modality` to the first other one.
    label
        Column of obs that is transferred; by default the first of the spec's labels.
    k
        Neighbors of the label transfer, as in the metric.
    features
        Imputed features of the target; all by default.
    background
        Background value of each feature: its ``mean``, ``median`` or ``minimum`` over the training cells, or ``zero``.
    cells
        Cells over which the metric is computed: ``all``, ``held_out`` or ``train``; by default held-out cells if
        there are any, otherwise all.
    max_cells
        Largest number of cells of each modality, drawn at random; null for all.
    groups
        Column of var by which features are removed together.
    group_file
        Table (.csv or .tsv) of such groups, with columns `feature` and `group`.
    exact
        How many changes are computed exactly; null for all.
    random
        Number of features drawn at random, whose changes are computed exactly too, for comparison.
    windows
        Imputed genes, around which peaks of `modality` are removed by their distance (gene body, 10 kb, 100 kb, 1 Mb,
        same chromosome, genome-wide); needs chrom, start and end of both in var.
    per_window
        Largest number of peaks that are removed in a window, each by itself; drawn at random if there are more.
    whole_windows
        Remove all peaks of a window at once instead.
    """

    name: ClassVar[str] = "knockout"
    references: ClassVar[tuple[str, ...]] = ("10.1038/s42256-023-00663-z",)

    def __init__(
        self,
        *,
        modality: str | None = None,
        metric: MetricName | None = None,
        source: str | None = None,
        target: str | None = None,
        label: str | None = None,
        k: PositiveInt | Literal["paper"] = 5,
        features: list[str] | None = None,
        background: BackgroundValue = "mean",
        cells: CellSubset | None = None,
        max_cells: PositiveInt | None = 5000,
        groups: str | None = None,
        group_file: Path | None = None,
        exact: NonNegativeInt | None = 500,
        random: NonNegativeInt = 6,
        windows: list[str] | None = None,
        per_window: PositiveInt = 200,
        whole_windows: bool = False,
    ) -> None:
        self.modality, self.metric = modality, metric
        self.source, self.target = source, target
        self.label, self.k, self.features = label, k, features
        self.background = background
        self.cells, self.max_cells = cells, max_cells
        self.groups, self.group_file = groups, group_file
        self.exact, self.random = exact, random
        self.windows, self.per_window, self.whole_windows = windows, per_window, whole_windows

    @classmethod
    def test_params(cls) -> dict[str, Any]:
        return {"exact": 5, "random": 2}

    def _explain(self, subject: Explainable, context: Context) -> Explanation:
        imputes = self.features is not None or self.windows is not None
        plan = plan_knockout(
            subject,
            f"explainer '{self.name}'",
            self.modality,
            self.metric or ("imputation" if imputes else None),
            (self.source, self.target),
            self.label,
        )
        selection = CellSelection(self.cells, self.max_cells, context)
        if self.windows is not None:
            return self._explain_windows(subject, plan, self.windows, selection)
        metric: PerturbedMetric
        if plan.metric == "imputation":
            metric, cells = imputation_metric(subject, plan, self.features, selection, "features")
        else:
            metric, cells = latent_metric(subject, plan, self.k, selection)
        removal = Removal.to_background(subject, plan.modality, cells, self.background)
        table, notes = metric_changes(removal, self._groups(subject, plan), metric, self.exact, self.random, context)
        title = f"{plan.metric}, {plan.source} to {plan.target}, without features of {plan.modality}"
        return Explanation(self.name, title, self._settings(plan, metric, cells), {"features": table}, notes=notes)

    def _explain_windows(
        self, subject: Explainable, plan: KnockoutPlan, genes: list[str], selection: CellSelection
    ) -> Explanation:
        """Remove peaks by their distance from genes."""
        if plan.metric != "imputation":
            raise DataError(
                f"expected metric imputation for genomic windows, found {plan.metric}",
                where=f"{plan.where}, windows",
                fix="leave metric out",
            )
        metric, cells = imputation_metric(subject, plan, genes, selection, "windows")
        removal = Removal.to_background(subject, plan.modality, cells, self.background)
        tables = knock_out_windows(removal, metric, self.per_window, self.whole_windows, selection.context)
        title = f"{', '.join(genes)} imputed from {plan.source}, without peaks near and far"
        return Explanation(self.name, title, self._settings(plan, metric, cells), tables)

    def _groups(self, subject: Explainable, plan: KnockoutPlan) -> FeatureGroups:
        block = subject.dataset.modalities[plan.modality].input
        if self.groups is not None and self.group_file is not None:
            raise DataError("expected groups or group_file, found both", where=plan.where, fix="keep one of the two")
        if self.groups is not None:
            return groups_from_column(block, self.groups, f"{plan.where}, groups")
        if self.group_file is not None:
            return groups_from_file(block.features, self.group_file, f"{plan.where}, group_file")
        return FeatureGroups.singletons(block.features)

    def _settings(self, plan: KnockoutPlan, metric: PerturbedMetric, cells: Indices) -> dict[str, Any]:
        return {
            "modality": plan.modality,
            "metric": plan.metric,
            "source": plan.source,
            "target": plan.target,
            "direction": f"{plan.source} to {plan.target}",
            "label": plan.label or "",
            "baseline": metric.baseline,
            "higher_is_better": metric.higher_is_better,
            "background": self.background,
            "n_cells": len(cells),
        }
