"""Figures of the explanations of a run, with their captions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from jamie import pl
from jamie.core.explanation import Explanation
from jamie.core.interfaces import Figure
from jamie.core.interfaces.figure import FigurePlan
from jamie.core.labels import sort_labels
from jamie.pl.explanations import explained_targets
from jamie.pl.style import apply_style, panels
from jamie.runs.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_TARGETS, MAX_LABELS = 4, 12


class ExplanationFigures(Figure):
    """Shapley values, knock-outs and attributions of each explanation, according to its content."""

    name: ClassVar[str] = "explanations"

    def _plans(self, run: Run) -> Iterator[FigurePlan]:
        count: Counter[str] = Counter()
        for explanation in run.explanations.values():
            count[explanation.explainer] += 1
            n = count[explanation.explainer]
            name = explanation.explainer if n == 1 else f"{explanation.explainer}_{n}"
            for kind, title, caption, draw in _figures(explanation):
                yield FigurePlan(f"{name}_{kind}", "explanation", title, caption, draw)


def _figures(explanation: Explanation) -> Iterator[tuple[str, str, str, Callable[[], Axes | Sequence[Axes]]]]:
    """Yield kind, title, caption and the function that draws it."""
    settings, features = explanation.settings, explanation.tables.get("features", ())
    if explanation.values is not None and "targets" in explanation.values.uns:
        targets, source = explained_targets(explanation), settings.get("source", "")
        shown = targets[:MAX_TARGETS]
        caption = (
            f"Shapley values: what each feature of {source} adds to the prediction for a cell, in the unit of the "
            "prediction. A point is a cell, coloured by its value of the feature. Features with the largest mean "
            "absolute Shapley value."
        )
        draw = partial(_draw_targets, pl.beeswarm, explanation, shown, 0.9 + 0.27 * 10)
        yield "beeswarm", f"Features of {source} that drive predictions", caption, draw
        if len(targets) > 1:
            caption = (
                "Mean absolute Shapley values, in standard deviations of each prediction: red if a higher value of the "
                "feature raises the target, blue if it lowers it. The top features of each target."
            )
            yield "heatmap", "Top features of each target", caption, partial(pl.shap_heatmap, explanation)
        caption = (
            "From the mean prediction over the background to that of one cell, the one with the highest prediction. "
            "Each bar is the Shapley value of a feature; grey: all other features, cut if it is much longer."
        )
        draw = partial(_draw_targets, pl.waterfall, explanation, shown, 1.0 + 0.24 * 11)
        yield "waterfall", "One cell, feature by feature", caption, draw
    if "windows" in explanation.tables:
        caption = (
            "How much the imputed values of a gene change if a peak is knocked out, by its distance from the gene. "
            "Boxes: quartiles; red line: no change; p: one-tailed t-test that peaks of the nearer window matter more."
        )
        genes = list(dict.fromkeys(explanation.tables["windows"]["target"]))[:MAX_TARGETS]
        yield "windows", "Peaks near and far", caption, partial(pl.windows, explanation, genes)
    if "change" in features:
        modality = settings.get("modality", "")
        caption = (
            f"The metric with a feature of {modality} replaced by its background, the largest losses first. Bars start "
            "at the value with all features (red line). Grey: random features."
        )
        yield "features", f"Knockout of features of {modality}", caption, partial(pl.knockout, explanation)
    if "label" in features:
        label = settings.get("label", "label")
        markers = " Vermillion and bold: known markers." if "markers" in explanation.tables else ""
        caption = f"What each feature adds to the nearest-neighbor votes for a cell's own {label}.{markers}"
        labels = sort_labels(explanation.tables["features"]["label"])[:MAX_LABELS]
        draw = partial(pl.attribution, explanation, labels)
        yield "labels", f"Features that distinguish each {label}", caption, draw


@apply_style
def _draw_targets(
    draw: Callable[..., Axes], explanation: Explanation, targets: Sequence[str], height: float
) -> list[Axes]:
    """Draw a panel for each target."""
    axes = panels(len(targets), None, width=4.5, height=height, columns=2)
    for ax, target in zip(axes, targets, strict=True):
        draw(explanation, target, ax=ax)
    return axes
