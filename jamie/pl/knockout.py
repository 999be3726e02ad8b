"""Features whose knockout lowers a metric most."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jamie.core.explanation import Explanation
from jamie.pl.explanations import BASELINE, explanation_table
from jamie.pl.style import COLOURS, UNLABELLED, apply_style, panels, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

METRICS = {
    "label_transfer_accuracy": "label-transfer accuracy",
    "foscttm": "FOSCTTM",
    "imputation": "mean correlation of imputed and measured values",
}
_RANDOM_COLOUR = "#9A9A9A"
_LONGEST_LINE = 38  # letters below the bars, which are narrow beside long names of features


@apply_style
def knockout(explanation: Explanation, *, n_features: int = 14, n_random: int = 6, ax: Axes | None = None) -> Axes:
    """Plot a metric without each of the features whose knockout lowers it most, and without random features.

    Bars start at the metric with all features (the red line), as in Fig. 6a of the JAMIE paper.

    Parameters
    ----------
    explanation
        Explanation by ``knockout``.
    n_features, n_random
        Numbers of top features and of random features, one row each.
    ax
        Axes to draw in; a new figure by default.

    Returns
    -------
    Axes
        The panel.

    Raises
    ------
    MissingResultError
        If the explanation has no table of features.

    Examples
    --------
    >>> import jamie
    >>> ax = jamie.pl.knockout(knockout, n_features=5, n_random=2)
    >>> len(ax.get_yticklabels())
    7
    """
    fix = "plot its genomic windows by jamie.pl.windows" if "windows" in explanation.tables else "use knockout"
    table = explanation_table(explanation, "features", fix, "change")
    top = table.head(n_features)
    random = table[table["random"] & ~table["feature"].isin(top["feature"])].head(n_random)
    rows = pd.concat([top, random])
    ax = panels(1, ax, width=4.0, height=0.9 + 0.2 * (len(rows) + 0.7))[0]
    baseline = float(explanation.settings["baseline"])
    y = [*range(len(top)), *(len(top) + 0.7 + i for i in range(len(random)))]
    colours = [COLOURS[0]] * len(top) + [_RANDOM_COLOUR] * len(random)
    change = rows["change"].where(rows["exact"], rows["estimate"]).fillna(0).to_numpy(float)
    faces = [colour if exact else "none" for colour, exact in zip(colours, rows["exact"], strict=True)]
    edges = ["none" if exact else colour for colour, exact in zip(colours, rows["exact"], strict=True)]
    ax.barh(y, change, left=baseline, height=0.72, color=faces, edgecolor=edges)
    span = max(np.abs(change).max(), 1e-12)
    low, high = min(change.min(), 0.0), max(change.max(), 0.0)
    ax.axvline(baseline, color=BASELINE, linewidth=1.2)
    ax.set_yticks(y, [shorten(str(name)) for name in rows["feature"]])
    ax.set(xlim=(baseline + low - 0.08 * span, baseline + high + 0.08 * span), ylim=(max(y) + 0.7, -0.7))
    ax.set_xlabel(_metric_label(explanation))
    _add_legend(ax, baseline, has_random=len(random) > 0, exact=bool(rows["exact"].all()))
    return ax


def _metric_label(explanation: Explanation) -> str:
    """Return the metric and its direction, on one line if they fit."""
    name = str(explanation.settings.get("metric", "metric"))
    metric, direction = METRICS.get(name, name), str(explanation.settings.get("direction", ""))
    line = ", ".join(part for part in (metric, direction) if part)
    return line if len(line) <= _LONGEST_LINE else "\n".join([*wrap(metric, _LONGEST_LINE), direction]).strip()


def _add_legend(ax: Axes, baseline: float, *, has_random: bool, exact: bool) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [
        Line2D([], [], color=BASELINE, linewidth=1.2, label=f"all features ({baseline:.3g})"),
        Patch(color=COLOURS[0], label="without this feature"),
    ]
    if has_random:
        handles.append(Patch(color=_RANDOM_COLOUR, label="without a random feature"))
    if not exact:
        handles.append(Patch(facecolor="none", edgecolor=UNLABELLED, label="estimated"))
    # to the left, above the names of the features, there is room for what is wider than the bars
    ax.legend(handles=handles, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, borderaxespad=0.2)
