"""Figures of what drives the model of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from jamie import pl
from jamie.core.explanation import Explanation
from jamie.pl.explanations import explained_targets
from jamie.pl.style import apply_style, get_figure, panels, sort_labels
from jamie.report.plan_of_figures import Planned
from jamie.runs.run_view import RunView

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SECTION = "explanation"
MOST_TARGETS, MOST_LABELS = 4, 12


def planned_explanations(view: RunView) -> Iterator[Planned]:
    """Plan the figures of each explanation of a run, by what it holds."""
    seen: Counter[str] = Counter()
    for one in view.explanations:
        seen[one.explainer] += 1
        name = one.explainer if seen[one.explainer] == 1 else f"{one.explainer}_{seen[one.explainer]}"
        if one.values is not None and "targets" in one.values.uns:
            yield from _of_values(one, name)
        if "windows" in one.tables:
            yield from _of_windows(one, name)
        table = one.tables.get("features")
        if table is not None and "change" in table:
            yield from _of_removal(one, name)
        if table is not None and "label" in table:
            yield from _of_labels(one, name)


def _of_values(one: Explanation, name: str) -> Iterator[Planned]:
    """Shapley values."""
    targets, source = explained_targets(one, SECTION), one.settings.get("source", "")
    shown = targets[:MOST_TARGETS]
    caption = (
        f"Shapley values: what each feature of {source} adds to the prediction of a cell. A point is a cell; its place "
        "says how much is added, in the unit of what is predicted, its colour how high the feature is in that cell. "
        "Features with the largest mean size."
    )
    draw = partial(_panels, pl.beeswarm, one, shown, 0.9 + 0.27 * 10)
    yield Planned(f"{name}_beeswarm", SECTION, f"Features of {source} that drive predictions", caption, draw)
    if len(targets) > 1:
        caption = (
            "Mean size of the Shapley values, in standard deviations of each prediction: red where more of a feature "
            "raises it, blue where it lowers it. The largest features of each target."
        )
        draw = partial(_alone, pl.shap_heatmap, one)
        yield Planned(f"{name}_heatmap", SECTION, "Features and what they drive", caption, draw)
    caption = (
        "From the mean prediction of the background to that of one cell, the one with the highest: each bar is what a "
        "feature adds, grey all features that are not shown, cut where it would dwarf the others."
    )
    draw = partial(_panels, pl.waterfall, one, shown, 1.0 + 0.24 * 11)
    yield Planned(f"{name}_waterfall", SECTION, "One cell, feature by feature", caption, draw)


def _of_removal(one: Explanation, name: str) -> Iterator[Planned]:
    """Knocked-out features."""
    modality = one.settings.get("modality", "")
    caption = (
        f"The metric where a feature of {modality} is replaced by its background, beginning with the most harmful: "
        "bars from the value with all features (red line). Grey: features drawn at random."
    )
    draw = partial(_alone, pl.knockout, one)
    yield Planned(f"{name}_features", SECTION, f"Without a feature of {modality}", caption, draw)


def _of_windows(one: Explanation, name: str) -> Iterator[Planned]:
    """Peaks near and far from genes."""
    caption = (
        "How much the imputed values of a gene change as each peak is removed, by its distance from the gene. Boxes: "
        "quartiles; red line: nothing removed; p: one-tailed t-test that the nearer window's peaks matter more."
    )
    genes = list(dict.fromkeys(one.tables["windows"]["target"]))[:MOST_TARGETS]
    draw = partial(_alone, pl.windows, one, genes)
    yield Planned(f"{name}_windows", SECTION, "Peaks near and far", caption, draw)


def _of_labels(one: Explanation, name: str) -> Iterator[Planned]:
    """Features that labels rest on."""
    label = one.settings.get("label", "label")
    markers = " Vermillion and bold: known markers." if "markers" in one.tables else ""
    caption = f"What each feature adds to the votes of nearest neighbours for a cell's own {label}.{markers}"
    labels = sort_labels(one.tables["features"]["label"])[:MOST_LABELS]
    draw = partial(_alone, pl.attribution, one, labels)
    yield Planned(f"{name}_labels", SECTION, f"Features that tell {label} apart", caption, draw)


def _alone(draw: Callable[..., Any], *args: Any) -> Figure:
    return get_figure(draw(*args))


@apply_style
def _panels(draw: Callable[..., Axes], one: Explanation, targets: Sequence[str], height: float) -> Figure:
    """Draw a panel for each target."""
    axes = panels(len(targets), None, width=4.5, height=height, columns=2)
    for ax, target in zip(axes, targets, strict=True):
        draw(one, target, ax=ax)
    return get_figure(axes)
