"""Shapley values of all explained cells, feature by feature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jamie.core.explanation import Explanation
from jamie.pl.explanations import NEGATIVE, POSITIVE, shapley_values
from jamie.pl.style import LINE_COLOUR, UNLABELLED, apply_style, get_figure, panels, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BINS = 60  # of the values of a feature, within which points are spread
_HALF_HEIGHT = 0.38  # of a row


@apply_style
def beeswarm(
    explanation: Explanation, target: str | None = None, *, n_features: int = 10, ax: Axes | None = None
) -> Axes:
    """Plot the Shapley values of all cells for the features with the largest mean absolute value.

    A point is a cell. Its position is the Shapley value of the feature, its colour the rank of the feature's value
    among all cells.

    Parameters
    ----------
    explanation
        Explanation by ``shap``.
    target
        Imputed feature or latent; the first by default.
    n_features
        Number of features, one row each.
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

    Examples
    --------
    >>> import jamie
    >>> ax = jamie.pl.beeswarm(shap, n_features=3)
    >>> len(ax.get_yticklabels())
    3
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap

    shapley = shapley_values(explanation, target)
    features = shapley.ranked()[:n_features]
    ax = panels(1, ax, width=4.4, height=0.9 + 0.27 * len(features))[0]
    cmap = LinearSegmentedColormap.from_list("low to high", [NEGATIVE, "#8F6A8A", POSITIVE])
    ax.axvline(0, color=LINE_COLOUR, linewidth=0.7, zorder=0)
    for row, j in enumerate(features):
        ranks, values = _scaled_ranks(shapley.X[:, j]), shapley.values[:, j]
        colour: dict[str, Any] = {"color": UNLABELLED} if ranks is None else {"c": ranks, "cmap": cmap}
        ax.scatter(
            values, row + _HALF_HEIGHT * _spread(values), s=7, linewidths=0, alpha=0.85, rasterized=True, **colour
        )
    ax.set_yticks(range(len(features)), [shorten(shapley.features[j]) for j in features])
    ax.set_ylim(len(features) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel(f"added to {shorten(shapley.axis_label)}")
    bar = get_figure(ax).colorbar(ScalarMappable(cmap=cmap), ax=ax, aspect=30, pad=0.02, fraction=0.05)
    bar.set_ticks([0, 1], labels=["low", "high"])
    bar.ax.tick_params(length=0)
    bar.set_label("the feature's own value", labelpad=-14)
    bar.outline.set_visible(False)
    return ax


def _scaled_ranks(values: NDArray[np.floating]) -> NDArray[np.floating] | None:
    """Return the rank of each cell by a value (k,), scaled to 0 to 1; None if all are equal."""
    from scipy.stats import rankdata

    if np.ptp(values) == 0:
        return None
    rank = rankdata(values)
    scaled: NDArray[np.floating] = (rank - rank.min()) / np.ptp(rank)
    return scaled


def _spread(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return heights (k,) from -1 to 1 that place points of similar value side by side, like a violin plot."""
    width = np.ptp(values)
    bins = np.zeros(len(values), int) if width == 0 else ((values - values.min()) / width * _BINS).astype(int)
    heights = np.zeros(len(values))
    largest = np.bincount(bins).max()
    for members in (np.flatnonzero(bins == b) for b in np.unique(bins)):
        reach = len(members) / largest
        heights[members] = np.linspace(-reach, reach, len(members)) if len(members) > 1 else 0
    return heights
