"""Calibration of the prediction intervals of imputed values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.errors import MissingResultError
from jamie.core.names import LOWER, SD, UPPER
from jamie.core.package_versions import layer_names
from jamie.pl.evaluation_cells import EvaluationCells, evaluation_cells
from jamie.pl.results import run_spec
from jamie.pl.style import COLOURS, GREY, MODEL_COLOUR, apply_style, panels, point_style

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from mudata import MuData

_LEVELS = np.linspace(0.05, 0.95, 19)
_CHUNK = 512  # features at a time


@apply_style
def calibration(mdata: MuData, imputed: AnnData, *, ax: Sequence[Axes] | None = None) -> list[Axes]:
    """Plot the coverage of prediction intervals against their nominal level, and their width against the error.

    Three panels: coverage against the nominal level, of normal intervals by the standard deviation at all levels, and
    of the calibrated intervals at their own; coverage of each feature; and half the width of the intervals of each
    feature against its error. Of held-out cells if there are any.

    Parameters
    ----------
    mdata
        Result of a run with the measured values.
    imputed
        Imputed values with layers ``sd``, ``lower`` and ``upper``, as in ``imputed/SOURCE-to-TARGET.h5ad``.
    ax
        Three axes; a new figure by default.

    Returns
    -------
    list of Axes
        The three panels.

    Raises
    ------
    MissingResultError
        If there are no intervals, or no cells that were measured in both modalities.

    Examples
    --------
    >>> import jamie
    >>> axes = jamie.pl.calibration(result, imputed)
    >>> [ax.get_title() for ax in axes]
    ['coverage', 'coverage of each feature', 'width and error']
    """
    if not {LOWER, UPPER} <= set(imputed.layers):
        fix = "impute with intervals=True; the model has intervals if training.calibration holds out cells for them"
        raise MissingResultError("expected layers lower and upper, found none", fix=fix)
    cells = evaluation_cells(mdata, imputed)
    level = run_spec(mdata).evaluate.intervals.level
    scores = interval_scores(cells)
    if not len(scores):
        raise MissingResultError("expected intervals of features, found none", fix="use more calibration cells")
    axes = panels(3, ax, width=2.9, height=2.6)
    _plot_coverage(axes[0], cells, scores, level)
    _plot_coverage_of_features(axes[1], scores["coverage"], level)
    _plot_width(axes[2], scores)
    return axes


def interval_scores(cells: EvaluationCells, method: str | None = None) -> pd.DataFrame:
    """Return coverage, mean half width of the intervals and root mean squared error of each feature with intervals.

    They are those of the model, or of another method.
    """
    prefix = "" if method is None else f"{method}_"
    tables = []
    for names in _chunks(cells):
        measured = cells.measured(names)
        lower, upper = (cells.values(names, f"{prefix}{side}") for side in (LOWER, UPPER))
        center = cells.values(names, method)
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
    """Return the fraction of values in normal intervals of each level around the imputed values, by layer ``sd``."""
    from scipy.stats import norm

    z = norm.ppf((1 + levels) / 2)
    inside, n = np.zeros(len(levels)), 0
    for names in _chunks(cells):
        measured, sd = cells.measured(names), cells.values(names, SD)
        error = np.abs(measured - cells.values(names))
        known = np.isfinite(error) & np.isfinite(sd)
        inside += [(error[known] <= factor * sd[known]).sum() for factor in z]
        n += int(known.sum())
    return inside / max(n, 1)


def _chunks(cells: EvaluationCells) -> Iterator[list[str]]:
    names = [str(name) for name in cells.imputed.var_names]
    return (names[start : start + _CHUNK] for start in range(0, len(names), _CHUNK))


def _plot_coverage(ax: Axes, cells: EvaluationCells, scores: pd.DataFrame, level: float) -> None:
    ax.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=0.9, label="ideal")
    layers = set(layer_names(cells.imputed))
    if SD in layers:
        ax.plot(_LEVELS, coverage_by_level(cells), color=COLOURS[0], marker="o", markersize=2.5, label="normal, by sd")
    ax.plot(level, scores["coverage"].mean(), color=MODEL_COLOUR, marker="D", linestyle="none", label="intervals")
    others = [name for name in layer_names(cells.imputed) if {f"{name}_lower", f"{name}_upper"} <= layers]
    for i, name in enumerate(others):
        coverage = interval_scores(cells, name)["coverage"].mean()
        colour = COLOURS[2 + i % (len(COLOURS) - 2)]
        ax.plot(level, coverage, color=colour, marker="sv^P"[i % 4], linestyle="none", label=f"intervals of {name}")
    ax.set(
        xlabel="nominal level", ylabel="values inside, mean over features", title="coverage", xlim=(0, 1), ylim=(0, 1)
    )
    ax.legend(loc="upper left")


def _plot_coverage_of_features(ax: Axes, coverage: pd.Series, level: float) -> None:
    bins = np.linspace(max(min(coverage.min(), level) - 0.02, 0), 1, 30)
    ax.hist(coverage, bins=bins.tolist(), color=COLOURS[0])
    ax.axvline(level, color="black", linestyle="--", linewidth=0.9)
    ax.set(xlabel=f"coverage (dashed: nominal, {level:g})", ylabel="features", title="coverage of each feature")


def _plot_width(ax: Axes, scores: pd.DataFrame) -> None:
    scores = scores[(scores["half_width"] > 0) & (scores["error"] > 0)]
    ax.scatter(scores["error"], scores["half_width"], color=COLOURS[0], **point_style(len(scores)))
    ax.set(xlabel="error of a feature (RMSE)", ylabel="half width of its intervals", title="width and error")
    if len(scores) and scores["error"].max() > 30 * scores["error"].min():
        ax.set(xscale="log", yscale="log")
