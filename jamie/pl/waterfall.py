"""Shapley values of one cell, from the mean prediction to its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jamie.core.errors import DataError
from jamie.core.explanation import Explanation
from jamie.core.suggest import suggest_names
from jamie.pl.explanations import NEGATIVE, POSITIVE, shapley_values
from jamie.pl.style import LINE_COLOUR, apply_style, panels, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CUT_RATIO = 3  # of the bar of all other features to the width of the rest, beyond which that bar is cut
_OTHERS_COLOUR = "#A8A8A8"
_WHITE_BOX = {"facecolor": "white", "edgecolor": "none", "pad": 0.4}  # behind a number, so that no line crosses it


@apply_style
def waterfall(
    explanation: Explanation,
    target: str | None = None,
    cell: str | None = None,
    *,
    n_features: int = 10,
    ax: Axes | None = None,
) -> Axes:
    """Plot how the features of one cell lead from the mean prediction over the background to its own prediction.

    Parameters
    ----------
    explanation
        Explanation by ``shap``.
    target
        Imputed feature or latent; the first by default.
    cell
        Name of an explained cell; by default that of the highest prediction.
    n_features
        Number of features with a row of their own; all others share one.
    ax
        Axes to draw in; a new figure by default.

    Returns
    -------
    Axes
        The panel.

    Raises
    ------
    MissingResultError
        If there are no Shapley values, or no such target.
    DataError
        If the cell was not explained.

    Examples
    --------
    >>> import jamie
    >>> ax = jamie.pl.waterfall(shap, cell="cell7")
    >>> ax.get_title(loc="left")
    'cell cell7'
    """
    shapley = shapley_values(explanation, target)
    if cell is not None and cell not in shapley.cells:
        fix = suggest_names(cell, map(str, shapley.cells), most=5)
        raise DataError(f"expected an explained cell, found '{cell}'", fix=fix)
    row = int(shapley.prediction.argmax()) if cell is None else int(np.flatnonzero(shapley.cells == cell)[0])
    values, base, prediction = shapley.values[row], shapley.base[row], shapley.prediction[row]
    order = np.argsort(-np.abs(values), kind="stable")
    top, others = order[:n_features][::-1], order[n_features:]
    names = [f"{shorten(shapley.features[j])} = {shapley.X[row, j]:.3g}" for j in top]
    steps = values[top]
    colours = [NEGATIVE if step < 0 else POSITIVE for step in steps]
    if len(others):
        names.insert(0, f"{len(others):,} others")
        steps = np.append(values[others].sum(), steps)
        colours.insert(0, _OTHERS_COLOUR)
    ends = base + np.cumsum(steps)
    is_cut = len(others) > 0 and len(steps) > 1 and abs(steps[0]) > _CUT_RATIO * np.ptp(ends)
    ax = panels(1, ax, width=4.6, height=1.0 + 0.24 * len(names))[0]
    ax.barh(range(len(names)), steps, left=ends - steps, color=colours, height=0.72)
    for i, end in enumerate(ends[:-1]):
        ax.plot([end, end], [i - 0.36, i + 1.36], color=LINE_COLOUR, linewidth=0.6)
    _set_limits(ax, steps, ends, is_cut=is_cut)
    for i, (step, end) in enumerate(zip(steps, ends, strict=True)):
        side = 1 if step >= 0 else -1
        look: dict[str, Any] = {"ha": "left" if side > 0 else "right", "va": "center", "bbox": _WHITE_BOX}
        ax.annotate(f"{step:+.2g}", (end, i), xytext=(3 * side, 0), textcoords="offset points", fontsize=7, **look)
    if is_cut:
        low, high = ax.get_xlim()
        edge = low + 0.06 * (high - low) if steps[0] > 0 else high - 0.06 * (high - low)
        ax.text(edge, 0, "//", color="white", ha="center", va="center", fontsize=12, fontweight="bold")
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(-0.9, len(names) - 0.1)
    ax.axvline(base, color=LINE_COLOUR, linewidth=0.7, linestyle=":")
    ax.axvline(prediction, color="black", linewidth=0.7, linestyle=":")
    ax.set_xlabel(f"{shorten(shapley.axis_label)}: mean {base:.3g}, of this cell {prediction:.3g}")
    ax.set_title(f"cell {shorten(str(shapley.cells[row]))}", loc="left")
    return ax


def _set_limits(ax: Axes, steps: NDArray[np.floating], ends: NDArray[np.floating], *, is_cut: bool) -> None:
    """Show all bars, or all but a part of the first if it is cut."""
    shown = ends if is_cut else np.append(ends - steps, ends)
    low, high = float(shown.min()), float(shown.max())
    span = max(high - low, 1e-12)
    margins = (0.16, 0.16) if not is_cut else (0.16, 0.35) if steps[0] < 0 else (0.35, 0.16)
    ax.set_xlim(low - margins[0] * span, high + margins[1] * span)
