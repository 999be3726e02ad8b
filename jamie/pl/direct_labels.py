"""Text labels beside points."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jamie.pl.style import LINE_COLOUR, get_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    Point = NDArray[np.float64]  # (2,) x and y
    Box = NDArray[np.float64]  # (2, 2) lower left and upper right corner

_LETTER, _LINE = 0.56, 1.25  # width and height of a letter, in units of the font size
_ANGLES = np.deg2rad([0, 180, 90, 270, 45, 135, 315, 225])
_DISTANCES = (8, 12, 20, 30, 44, 60)  # from the point to the label


def label_points(
    ax: Axes, points: NDArray[np.floating], names: Sequence[str], *, size: float = 7.5, optional: bool = False
) -> None:
    """Write names beside points so that they cover neither points nor one another; a line leads to a distant name.

    The limits of the axes must be final.

    Parameters
    ----------
    ax
        Axes of the points.
    points
        (n, 2) in data coordinates.
    names
        (n,) one for each point; empty for a point that must only stay visible.
    size
        Font size, in points.
    optional
        Leave out names for which there is no room.
    """
    if not len(points):
        return
    figure = get_figure(ax)
    figure.draw_without_rendering()  # the layout decides how large the panel is
    extent = ax.get_window_extent()
    panel = np.array([extent.width, extent.height]) * 72 / figure.dpi
    positions = ax.transLimits.transform(ax.transScale.transform(np.asarray(points, float))) * panel
    taken: list[Box] = []
    for name, position, point in zip(names, positions, points, strict=True):
        if not name:
            continue
        extent_of_name = np.array([_LETTER * len(name) + 0.4, _LINE]) * size
        offset, fits = _best_offset(position, extent_of_name, positions, taken, panel)
        if optional and not fits:
            continue
        taken.append(_box(position + offset, extent_of_name))
        line = {"arrowstyle": "-", "linewidth": 0.5, "color": LINE_COLOUR, "shrinkA": 0, "shrinkB": 3}
        gap = np.maximum(np.abs(offset) - extent_of_name / 2, 0)
        ax.annotate(
            name,
            tuple(point),
            xytext=tuple(offset),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=size,
            arrowprops=line if np.hypot(*gap) > _DISTANCES[2] else None,
        )


def _best_offset(
    position: Point, extent: Point, points: NDArray[np.float64], taken: Sequence[Box], panel: Point
) -> tuple[Point, bool]:
    """Return the offset from point to name that covers least, and whether the name then covers no other name."""
    best, lowest, fits = np.zeros(2), np.inf, False
    for distance, angle in product(_DISTANCES, _ANGLES):
        direction = np.array([np.cos(angle), np.sin(angle)])
        offset = direction * (distance + np.abs(direction) * extent / 2)
        low, high = _box(position + offset, extent)
        sides = [np.minimum(high, other[1]) - np.maximum(low, other[0]) for other in taken]
        covered_names = sum(float(np.prod(np.maximum(side, 0))) for side in sides)
        covered_points = int(((points > low - 3) & (points < high + 3)).all(axis=1).sum())
        outside = np.maximum(-low, 0).sum() + np.maximum(high - panel, 0).sum()
        cost = 10 * covered_names + 40 * covered_points + 100 * outside + 3 * distance
        if cost < lowest:
            best, lowest, fits = offset, cost, covered_names == 0 and outside < 1
    return best, fits


def _box(middle: Point, extent: Point) -> Box:
    return np.array([middle - extent / 2, middle + extent / 2])
