"""Names beside points, where there is room for them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jamie.pl.style import LINE, get_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CHARACTER, _LINE = 0.56, 1.25  # width and height of a letter, by the size of the text
_ANGLES = np.deg2rad([0, 180, 90, 270, 45, 135, 315, 225])
_DISTANCES = (8, 12, 20, 30, 44, 60)  # points from the point to the name


def label_points(
    ax: Axes,
    points: NDArray[np.floating],
    names: Sequence[str],
    *,
    size: float = 7.5,
    optional: bool = False,
) -> None:
    """Write names beside points so that none lies on another or on a point; a line leads to a name that is far.

    Limits of the axes must be set before.

    Parameters
    ----------
    ax
        Where the points are drawn.
    points
        (n, 2) in the units of the axes.
    names
        (n,) one for each; empty for a point that only keeps names away.
    size
        Of the text, in points.
    optional
        Leave out names for which there is no room.
    """
    if not len(points):
        return
    figure = get_figure(ax)
    figure.draw_without_rendering()  # only then is it known how large the panel is
    extent = ax.get_window_extent()
    room = np.array([extent.width, extent.height]) * 72 / figure.dpi
    places = ax.transLimits.transform(ax.transScale.transform(np.asarray(points, float))) * room
    taken: list[NDArray[np.float64]] = []
    for name, place, point in zip(names, places, points, strict=True):
        if not name:
            continue
        box = np.array([_CHARACTER * len(name) + 0.4, _LINE]) * size
        offset, fits = _free(place, box, places, taken, room)
        if optional and not fits:
            continue
        taken.append(_box(place + offset, box))
        line = {"arrowstyle": "-", "linewidth": 0.5, "color": LINE, "shrinkA": 0, "shrinkB": 3}
        far = np.maximum(np.abs(offset) - box / 2, 0)
        ax.annotate(
            name,
            tuple(point),
            xytext=tuple(offset),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=size,
            arrowprops=line if np.hypot(*far) > _DISTANCES[2] else None,
        )


def _free(
    place: NDArray[np.float64],
    box: NDArray[np.float64],
    points: NDArray[np.float64],
    taken: Sequence[NDArray[np.float64]],
    room: NDArray[np.float64],
) -> tuple[NDArray[np.float64], bool]:
    """Offset of the middle of a name from its point, where it hides least; and whether it hides no other name there."""
    best, least, fits = np.zeros(2), np.inf, False
    for distance, angle in product(_DISTANCES, _ANGLES):
        direction = np.array([np.cos(angle), np.sin(angle)])
        offset = direction * (distance + np.abs(direction) * box / 2)
        own = _box(place + offset, box)
        hidden_names = sum(_overlap(own, other) for other in taken)
        outside = np.maximum(-own[0], 0).sum() + np.maximum(own[1] - room, 0).sum()
        cost = 10 * hidden_names + 40 * _inside(own, points) + 100 * outside + 3 * distance
        if cost < least:
            best, least, fits = offset, cost, hidden_names == 0 and outside < 1
    return best, fits


def _box(middle: NDArray[np.float64], size: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([middle - size / 2, middle + size / 2])


def _overlap(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float(np.prod(np.maximum(np.minimum(one[1], other[1]) - np.maximum(one[0], other[0]), 0)))


def _inside(box: NDArray[np.float64], points: NDArray[np.float64]) -> int:
    return int(((points > box[0] - 3) & (points < box[1] + 3)).all(axis=1).sum())
