"""Features whose removal harms most."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jamie.core.explanation import Explanation
from jamie.pl.explanations import UNPERTURBED, table_of
from jamie.pl.style import COLOURS, RANDOM, UNKNOWN, apply_style, panels, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

METRICS = {
    "label_transfer_accuracy": "label transfer accuracy",
    "foscttm": "FOSCTTM",
    "imputation": "mean correlation of imputed and measured values",
}
_WHERE = "knockout"
_LONGEST_LINE = 38  # letters below the bars, beside which long names of features leave less room


@apply_style
def knockout(explanation: Explanation, *, n_features: int = 14, n_random: int = 6, ax: Axes | None = None) -> Axes:
    """Draw the metric without each of the features whose removal harms most, and without features drawn at random.

    Bars start at the metric of the model as it is (the red line), as in Fig. 6a of the paper.

    Parameters
    ----------
    explanation
        By ``knockout``.
    n_features, n_random
        Rows.
    ax
        Where to draw; a new figure by default.

    Raises
    ------
    MissingResultError
        Where the explanation has no table of features.
    """
    fix = "its genomic windows are drawn by jamie.pl.windows" if "windows" in explanation.tables else "use knockout"
    table = table_of(explanation, "features", _WHERE, fix, "change")
    top = table.head(n_features)
    background = table[table["random"] & ~table["feature"].isin(top["feature"])].head(n_random)
    here = panels(1, ax, width=4.0, height=0.9 + 0.2 * (len(top) + len(background) + 0.7))[0]
    baseline = float(explanation.settings["baseline"])
    places = [*range(len(top)), *(len(top) + 0.7 + i for i in range(len(background)))]
    rows = pd.concat([top, background])
    _hanging_bars(here, rows, places, baseline, len(top))
    here.axvline(baseline, color=UNPERTURBED, linewidth=1.2)
    here.set_yticks(places, [shorten(str(name)) for name in rows["feature"]])
    here.set_ylim(max(places) + 0.7, -0.7)
    metric = str(explanation.settings.get("metric", "metric"))
    here.set_xlabel(_in_lines(METRICS.get(metric, metric), str(explanation.settings.get("direction", ""))))
    _name_parts(here, baseline, len(background), bool(rows["exact"].all()))
    return here


def _hanging_bars(ax: Axes, rows: pd.DataFrame, places: list[float], baseline: float, n_top: int) -> None:
    """Draw a bar for each change, from the baseline; one that is only estimated is hollow."""
    change = rows["change"].where(rows["exact"], rows["estimate"]).fillna(0).to_numpy(float)
    colours = [COLOURS[0]] * n_top + [RANDOM] * (len(rows) - n_top)
    for place, value, colour, exact in zip(places, change, colours, rows["exact"], strict=True):
        look: dict[str, Any] = {"color": colour} if exact else {"facecolor": "none", "edgecolor": colour}
        ax.barh(place, value, left=baseline, height=0.72, **look)
    span = max(np.abs(change).max(), 1e-12)
    low, high = min(change.min(), 0.0), max(change.max(), 0.0)
    ax.set_xlim(baseline + low - 0.08 * span, baseline + high + 0.08 * span)


def _in_lines(metric: str, direction: str) -> str:
    """Name the metric and its direction on one line, or below each other where that would be too long."""
    whole = ", ".join(part for part in (metric, direction) if part)
    return whole if len(whole) <= _LONGEST_LINE else "\n".join([*wrap(metric, _LONGEST_LINE), direction]).strip()


def _name_parts(ax: Axes, baseline: float, n_random: int, exact: bool) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [Line2D([], [], color=UNPERTURBED, linewidth=1.2, label=f"all features ({baseline:.3g})")]
    handles.append(Patch(color=COLOURS[0], label="without this one"))
    if n_random:
        handles.append(Patch(color=RANDOM, label="without one drawn at random"))
    if not exact:
        handles.append(Patch(facecolor="none", edgecolor=UNKNOWN, label="estimated"))
    # to the left, above the names of the features, there is room for what is wider than the bars
    ax.legend(handles=handles, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, borderaxespad=0.2)
