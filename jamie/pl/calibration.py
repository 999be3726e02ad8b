"""Whether intervals of imputed values hold what they promise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.compat import layer_names
from jamie.core.errors import MissingResultError
from jamie.core.names import LOWER, MODEL_NAME, SD, UPPER
from jamie.pl.evaluation_cells import EvaluationCells, evaluation_cells
from jamie.pl.results import run_spec
from jamie.pl.style import COLOURS, MODEL_COLOUR, OTHERS, apply_style, panels, point_style

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from mudata import MuData

_WHERE = "calibration"
_LEVELS = np.linspace(0.05, 0.95, 19)
_BLOCK = 512  # features at a time


@apply_style
def calibration(mdata: MuData, imputed: AnnData, *, ax: Sequence[Axes] | None = None) -> list[Axes]:
    """Draw how many measured values lie in the intervals of the imputed ones, against how many should.

    Three panels: coverage against the nominal level, of normal intervals by the standard deviation at all levels, and
    of the intervals themselves at theirs; coverage of each feature; and half the width of the intervals of each feature
    against its error. Of the cells held out, where any are.

    Parameters
    ----------
    mdata
        With the measured values.
    imputed
        With layers ``sd``, ``lower`` and ``upper``, as in ``imputed/SOURCE-to-TARGET.h5ad``.
    ax
        Three axes; a new figure by default.

    Raises
    ------
    MissingResultError
        Where there are no intervals, or no cells that were measured in both modalities.
    """
    if LOWER not in imputed.layers or UPPER not in imputed.layers:
        fix = "impute with intervals=True; the model has them where cells were set aside (training.calibration)"
        raise MissingResultError("expected layers lower and upper, found none", where=_WHERE, fix=fix)
    cells = evaluation_cells(mdata, imputed, _WHERE)
    level = run_spec(mdata, _WHERE).evaluate.intervals.level
    scores = interval_scores(cells)
    if not len(scores):
        raise MissingResultError("expected intervals of features, found none", where=_WHERE, fix="set more cells aside")
    axes = panels(3, ax, width=2.9, height=2.6)
    _against_nominal(axes[0], cells, scores, level)
    _by_feature(axes[1], scores["coverage"], level)
    _width_and_error(axes[2], scores)
    return axes


def interval_scores(cells: EvaluationCells, method: str = MODEL_NAME) -> pd.DataFrame:
    """Coverage, mean half width of the intervals and root mean squared error of each feature that has intervals."""
    prefix = "" if method == MODEL_NAME else f"{method}_"
    tables = []
    for names in _blocks(cells):
        measured = cells.measured(names)
        lower, upper = (cells.values(names, f"{prefix}{side}") for side in (LOWER, UPPER))
        center = cells.values(names, None if method == MODEL_NAME else method)
        known = np.isfinite(measured) & np.isfinite(lower) & np.isfinite(upper)
        n = known.sum(axis=0)
        inside = ((measured >= lower) & (measured <= upper) & known).sum(axis=0)
        columns = {
            "coverage": inside / np.maximum(n, 1),
            "half_width": np.where(known, (upper - lower) / 2, 0).sum(axis=0) / np.maximum(n, 1),
            "error": np.sqrt(np.where(known, (measured - center) ** 2, 0).sum(axis=0) / np.maximum(n, 1)),
        }
        tables.append(pd.DataFrame(columns, index=names)[n > 0])
    return pd.concat(tables)


def coverage_by_level(cells: EvaluationCells, levels: NDArray[np.float64] = _LEVELS) -> NDArray[np.float64]:
    """Fraction of all values within normal intervals of each level around the imputed ones, by their layer ``sd``."""
    from scipy.stats import norm

    reach = norm.ppf((1 + levels) / 2)
    inside, n = np.zeros(len(levels)), 0
    for names in _blocks(cells):
        measured, sd = cells.measured(names), cells.values(names, SD)
        error = np.abs(measured - cells.values(names))
        known = np.isfinite(error) & np.isfinite(sd)
        for i, factor in enumerate(reach):
            inside[i] += (error[known] <= factor * sd[known]).sum()
        n += int(known.sum())
    return inside / max(n, 1)


def _blocks(cells: EvaluationCells) -> list[list[str]]:
    names = [str(name) for name in cells.imputed.var_names]
    return [names[start : start + _BLOCK] for start in range(0, len(names), _BLOCK)]


def _against_nominal(ax: Axes, cells: EvaluationCells, scores: pd.DataFrame, level: float) -> None:
    ax.plot([0, 1], [0, 1], color=OTHERS, linestyle="--", linewidth=0.9, label="ideal")
    if SD in cells.imputed.layers:
        ax.plot(_LEVELS, coverage_by_level(cells), color=COLOURS[0], marker="o", markersize=2.5, label="normal, by sd")
    ax.plot(level, scores["coverage"].mean(), color=MODEL_COLOUR, marker="D", linestyle="none", label="intervals")
    for i, name in enumerate(_other_methods(cells)):
        coverage = interval_scores(cells, name)["coverage"].mean()
        look: dict[str, Any] = {
            "color": COLOURS[2 + i % (len(COLOURS) - 2)],
            "marker": "sv^P"[i % 4],
            "linestyle": "none",
        }
        ax.plot(level, coverage, label=f"intervals of {name}", **look)
    ax.set(xlabel="nominal level", ylabel="values inside, mean over features", title="coverage")
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1)
    ax.legend(loc="upper left")


def _other_methods(cells: EvaluationCells) -> list[str]:
    """Return the other methods that have intervals."""
    layers = layer_names(cells.imputed)
    return [name for name in layers if {f"{name}_lower", f"{name}_upper"} <= set(layers)]


def _by_feature(ax: Axes, coverage: pd.Series, level: float) -> None:
    bins = np.linspace(max(min(coverage.min(), level) - 0.02, 0), 1, 30)
    ax.hist(coverage, bins=bins.tolist(), color=COLOURS[0])
    ax.axvline(level, color="black", linestyle="--", linewidth=0.9)
    ax.set(xlabel=f"coverage (dashed: nominal, {level:g})", ylabel="features", title="coverage of each feature")


def _width_and_error(ax: Axes, scores: pd.DataFrame) -> None:
    shown = scores[(scores["half_width"] > 0) & (scores["error"] > 0)]
    ax.scatter(shown["error"], shown["half_width"], color=COLOURS[0], **point_style(len(shown)))
    ax.set(xlabel="error of a feature (RMSE)", ylabel="half width of its intervals", title="width and error")
    if len(shown) and shown["error"].max() > 30 * shown["error"].min():
        ax.set_xscale("log")
        ax.set_yscale("log")
