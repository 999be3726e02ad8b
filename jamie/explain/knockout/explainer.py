"""Knock-out: what becomes of a metric as features are taken away."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import NonNegativeInt, PositiveInt

from jamie.core.context import Context
from jamie.core.errors import DataError
from jamie.core.explanation import Explainable, Explanation, Floats
from jamie.core.interfaces import Explainer
from jamie.explain.background import Background, background_values
from jamie.explain.knockout.changes import knock_out
from jamie.explain.knockout.feature_groups import groups_of_column, groups_of_file
from jamie.explain.knockout.measures import Measure
from jamie.explain.knockout.plan import MetricName, Plan, imputation_measure, latent_measure, plan_knockout
from jamie.explain.knockout.windows import remove_windows
from jamie.explain.removal import Removal, Units
from jamie.explain.selection import CellChoice


class Knockout(Explainer):
    """Change of a metric as each feature, or group of features, is replaced by its background.

    A feature's values become its mean over the training cells, and the cells are embedded or imputed again. Where there
    are more features than `exact`, the change is estimated for all of them to first order, and computed exactly for
    those whose removal is expected to harm most. Where exact changes are equal (label transfer has steps of one cell),
    the estimate decides which ranks higher.

    Parameters
    ----------
    modality
        Whose features are removed; the first by default.
    metric
        ``label_transfer_accuracy``, ``foscttm`` or ``imputation``: the mean correlation of imputed with measured
        values. By default imputation where `features` or `windows` are given, otherwise label transfer where there are
        labels, otherwise FOSCTTM.
    source, target
        Direction of the metric: labels are transferred from `source` to `target`, or `target` is imputed from `source`.
        By default from `modality` to the first other one.
    label
        Column of obs that is transferred; by default the first of the spec's labels.
    k
        Neighbours of the label transfer, as of the metric.
    features
        Imputed features of the target; all by default.
    background
        What takes the place of a feature: over the training cells its ``mean``, ``median`` or ``minimum``, or ``zero``.
    cells
        Over which the metric is computed: ``all``, ``held_out`` or ``train``; held-out ones by default, where there
        are any.
    max_cells
        At most so many cells of each modality, drawn at random; null for all.
    groups
        Column of var by which features are removed together.
    group_file
        The same by a table (.csv or .tsv) with columns `feature` and `group`.
    exact
        How many changes are computed exactly; null for all.
    random
        Features drawn at random, computed exactly too, as a background to compare with.
    windows
        Imputed genes, around each of which peaks of `modality` are removed by their distance (gene body, 10 kb, 100 kb,
        1 Mb, same chromosome, genome-wide); needs chrom, start and end of both in var.
    per_window
        Peaks that are removed in a window, each by itself, drawn at random where it has more.
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
        background: Background = "mean",
        cells: CellChoice | None = None,
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
        about_features = self.features is not None or self.windows is not None
        plan = plan_knockout(
            subject,
            where=f"explainer '{self.name}'",
            modality=self.modality,
            metric=self.metric or ("imputation" if about_features else None),
            source=self.source,
            target=self.target,
            label=self.label,
        )
        if self.windows is not None:
            return self._around_genes(subject, plan, self.windows, context)
        measure: Measure
        if plan.metric == "imputation":
            measure, cells = imputation_measure(subject, plan, self.features, self.cells, self.max_cells, context)
        else:
            measure, cells = latent_measure(subject, plan, self.k, self.cells, self.max_cells, context)
        removal = Removal(subject, plan.modality, cells, self._background(subject, plan))
        changes = knock_out(removal, self._units(subject, plan), measure, self.exact, self.random, context)
        title = f"{plan.metric}, {plan.source} to {plan.target}, without features of {plan.modality}"
        settings = self._settings(plan, removal, measure.baseline, measure.higher_is_better)
        return Explanation(self.name, title, settings, {"features": changes.table()}, notes=changes.notes)

    def _around_genes(self, subject: Explainable, plan: Plan, genes: list[str], context: Context) -> Explanation:
        """Remove peaks by their distance from genes."""
        if plan.metric != "imputation":
            raise DataError(
                f"expected metric imputation for genomic windows, found {plan.metric}",
                where=f"{plan.where}, windows",
                fix="leave metric out",
            )
        measure, cells = imputation_measure(subject, plan, genes, self.cells, self.max_cells, context, "windows")
        removal = Removal(subject, plan.modality, cells, self._background(subject, plan))
        tables = remove_windows(removal, measure, self.per_window, self.whole_windows, context)
        title = f"{', '.join(genes)} imputed from {plan.source}, without peaks near and far"
        settings = self._settings(plan, removal, measure.baseline, measure.higher_is_better)
        return Explanation(self.name, title, settings, tables)

    def _background(self, subject: Explainable, plan: Plan) -> Floats:
        train = subject.split.train[plan.modality]
        return background_values(subject.dataset.modalities[plan.modality].input.X[train], self.background)

    def _units(self, subject: Explainable, plan: Plan) -> Units:
        block = subject.dataset.modalities[plan.modality].input
        if self.groups is not None and self.group_file is not None:
            raise DataError("expected groups or group_file, found both", where=plan.where, fix="keep one of the two")
        if self.groups is not None:
            return groups_of_column(block, self.groups, f"{plan.where}, groups")
        if self.group_file is not None:
            return groups_of_file(block.features, self.group_file, f"{plan.where}, group_file")
        return Units.single(block.features)

    def _settings(self, plan: Plan, removal: Removal, baseline: float, higher_is_better: bool) -> dict[str, Any]:
        return {
            "modality": plan.modality,
            "metric": plan.metric,
            "source": plan.source,
            "target": plan.target,
            "direction": f"{plan.source} to {plan.target}",
            "label": plan.label or "",
            "baseline": baseline,
            "higher_is_better": higher_is_better,
            "background": self.background,
            "n_cells": removal.n_cells,
        }
