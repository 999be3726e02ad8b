"""Shapley values of all explained cells, feature by feature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jamie.core.explanation import Explanation
from jamie.pl.explanations import LOWERS, RAISES, shapley_values
from jamie.pl.style import LINE, UNKNOWN, apply_style, get_figure, panels, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap

_BINS = 60  # of the values of a feature, within which points are spread
_TALLEST = 0.38  # half the height of a row


@apply_style
def beeswarm(
    explanation: Explanation, target: str | None = None, *, n_features: int = 10, ax: Axes | None = None
) -> Axes:
    """Draw a point for each cell and each of the features of largest mean absolute Shapley value.

    Where a point lies says how much the feature adds to the prediction of the cell, its colour how high the feature is
    in that cell among all.

    Parameters
    ----------
    explanation
        By ``shap``.
    target
        Imputed feature or latent; the first by default.
    n_features
        Rows.
    ax
        Where to draw; a new figure by default.

    Raises
    ------
    MissingResultError
        Where there are no Shapley values, or no such target.
    """
    from matplotlib.colors import LinearSegmentedColormap

    of = shapley_values(explanation, target, "beeswarm")
    shown = of.ranked()[:n_features]
    here = panels(1, ax, width=4.4, height=0.9 + 0.27 * len(shown))[0]
    ramp = LinearSegmentedColormap.from_list("low to high", [LOWERS, "#8F6A8A", RAISES])
    here.axvline(0, color=LINE, linewidth=0.7, zorder=0)
    for row, j in enumerate(shown):
        level = _levels(of.X[:, j])
        where = row + _TALLEST * _spread(of.values[:, j])
        look: dict[str, Any] = {"s": 7, "linewidths": 0, "alpha": 0.85, "rasterized": True}
        if level is None:
            here.scatter(of.values[:, j], where, color=UNKNOWN, **look)
        else:
            here.scatter(of.values[:, j], where, c=level, cmap=ramp, vmin=0, vmax=1, **look)
    here.set_yticks(range(len(shown)), [shorten(of.features[j]) for j in shown])
    here.set_ylim(len(shown) - 0.4, -0.6)
    here.tick_params(axis="y", length=0)
    here.set_xlabel(f"added to {shorten(of.unit)}")
    _explain_colours(here, ramp)
    return here


def _levels(values: NDArray[np.floating]) -> NDArray[np.floating] | None:
    """(k,) place of each cell among all by the value of a feature, from 0 to 1; None where all are equal."""
    from scipy.stats import rankdata

    if np.ptp(values) == 0:
        return None
    rank = rankdata(values)
    level: NDArray[np.floating] = (rank - rank.min()) / np.ptp(rank)
    return level


def _spread(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """(k,) heights from -1 to 1: points of about the same value lie beside each other, as a violin would be wide."""
    width = np.ptp(values)
    bins = np.zeros(len(values), int) if width == 0 else ((values - values.min()) / width * _BINS).astype(int)
    heights = np.zeros(len(values))
    most = np.bincount(bins).max()
    for one in np.unique(bins):
        members = np.flatnonzero(bins == one)
        reach = len(members) / most
        heights[members] = np.linspace(-reach, reach, len(members)) if len(members) > 1 else 0
    return heights


def _explain_colours(ax: Axes, ramp: Colormap) -> None:
    from matplotlib.cm import ScalarMappable

    bar = get_figure(ax).colorbar(ScalarMappable(cmap=ramp), ax=ax, aspect=30, pad=0.02, fraction=0.05)
    bar.set_ticks([0, 1], labels=["low", "high"])
    bar.ax.tick_params(length=0)
    bar.set_label("the feature's own value", labelpad=-14)
    bar.outline.set_visible(False)
