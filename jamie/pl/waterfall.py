"""Shapley values of one cell, one after the other from the usual prediction to its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jamie.core.errors import DataError
from jamie.core.explanation import Explanation
from jamie.core.suggest import suggest_names
from jamie.pl.explanations import LOWERS, RAISES, ShapleyValues, shapley_values
from jamie.pl.style import LINE, apply_style, panels, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WHERE = "waterfall"
_CUT = 3  # times the width of all rows that are shown, beyond which the bar of all others is cut
_OTHERS = "#A8A8A8"
_PAPER = {"facecolor": "white", "edgecolor": "none", "pad": 0.4}  # below a number, so that no line crosses it


@apply_style
def waterfall(
    explanation: Explanation,
    target: str | None = None,
    cell: str | None = None,
    *,
    n_features: int = 10,
    ax: Axes | None = None,
) -> Axes:
    """Draw how the features of one cell lead from the mean prediction of the background to its own.

    Parameters
    ----------
    explanation
        By ``shap``.
    target
        Imputed feature or latent; the first by default.
    cell
        Name of an explained cell; by default that of the highest prediction.
    n_features
        Features with a row of their own; all others share one.
    ax
        Where to draw; a new figure by default.

    Raises
    ------
    MissingResultError
        Where there are no Shapley values, or no such target.
    DataError
        Where the cell was not explained.
    """
    of = shapley_values(explanation, target, _WHERE)
    if cell is not None and cell not in of.cells:
        problem = f"expected an explained cell, found '{cell}'"
        raise DataError(problem, where=_WHERE, fix=suggest_names(cell, map(str, of.cells), most=5))
    row = int(of.prediction.argmax()) if cell is None else int(np.flatnonzero(of.cells == cell)[0])
    rows = _rows(of, row, n_features)
    here = panels(1, ax, width=4.6, height=1.0 + 0.24 * len(rows.names))[0]
    here.barh(range(len(rows.names)), rows.steps, left=rows.starts, color=rows.colours, height=0.72)
    for i, end in enumerate(rows.ends[:-1]):
        here.plot([end, end], [i - 0.36, i + 1.36], color=LINE, linewidth=0.6)
    here.set_xlim(*rows.limits())
    _name_steps(here, rows)
    here.set_yticks(range(len(rows.names)), rows.names)
    here.set_ylim(-0.9, len(rows.names) - 0.1)
    for place, colour in ((of.base[row], LINE), (of.prediction[row], "black")):
        here.axvline(place, color=colour, linewidth=0.7, linestyle=":")
    here.set_xlabel(f"{shorten(of.unit)}: usual {of.base[row]:.3g}, of this cell {of.prediction[row]:.3g}")
    here.set_title(f"cell {shorten(str(of.cells[row]))}", loc="left")
    return here


@dataclass(frozen=True)
class _Rows:
    """Rows of the figure, the lowest first.

    Parameters
    ----------
    names
        What is said of each.
    base
        Where the first starts.
    steps
        How far each goes.
    has_others
        Whether the first stands for all features that are not shown.
    """

    names: list[str]
    base: float
    steps: NDArray[np.floating]
    has_others: bool

    @property
    def ends(self) -> NDArray[np.floating]:
        """Where each row ends."""
        ends: NDArray[np.floating] = self.base + np.cumsum(self.steps)
        return ends

    @property
    def starts(self) -> NDArray[np.floating]:
        """Where each row starts."""
        return self.ends - self.steps

    @property
    def colours(self) -> list[str]:
        """Of the bars."""
        signed = [LOWERS if step < 0 else RAISES for step in self.steps]
        return [_OTHERS, *signed[1:]] if self.has_others else signed

    @property
    def is_cut(self) -> bool:
        """Whether the bar of all others is too long to be shown whole beside the rest."""
        return self.has_others and len(self.steps) > 1 and abs(self.steps[0]) > _CUT * np.ptp(self.ends)

    def limits(self) -> tuple[float, float]:
        """Of the axis: all bars, or all but a part of that of the others."""
        places = self.ends if self.is_cut else np.append(self.starts, self.ends)
        low, high = float(places.min()), float(places.max())
        span = max(high - low, 1e-12)
        beyond = 0.35 if self.is_cut else 0.16
        if self.is_cut and self.steps[0] < 0:
            return low - 0.16 * span, high + beyond * span
        return low - beyond * span, high + 0.16 * span


def _rows(of: ShapleyValues, row: int, n_features: int) -> _Rows:
    """Put the features of a cell in order: all others first, the largest last."""
    values = of.values[row]
    order = np.argsort(-np.abs(values), kind="stable")
    shown, others = order[:n_features][::-1], order[n_features:]
    names = [f"{shorten(of.features[j])} = {of.X[row, j]:.3g}" for j in shown]
    if not len(others):
        return _Rows(names, of.base[row], values[shown], has_others=False)
    steps = np.append(values[others].sum(), values[shown])
    return _Rows([f"{len(others):,} others", *names], of.base[row], steps, has_others=True)


def _name_steps(ax: Axes, rows: _Rows) -> None:
    """Write the value of each step at its end; a bar that is cut is open at the edge of the axis."""
    for i, (step, end) in enumerate(zip(rows.steps, rows.ends, strict=True)):
        side = 1 if step >= 0 else -1
        look: dict[str, Any] = {"ha": "left" if side > 0 else "right", "va": "center", "fontsize": 7, "bbox": _PAPER}
        ax.annotate(f"{step:+.2g}", (end, i), xytext=(3 * side, 0), textcoords="offset points", **look)
    if rows.is_cut:
        low, high = ax.get_xlim()
        edge = low + 0.06 * (high - low) if rows.steps[0] > 0 else high - 0.06 * (high - low)
        ax.text(edge, 0, "//", color="white", ha="center", va="center", fontsize=12, fontweight="bold")
