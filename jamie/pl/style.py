"""What all figures share: colours for every eye, the same for a type everywhere, sizes of text and of points."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np

from jamie.core.errors import DataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")
R = TypeVar("R")

# Okabe and Ito's colours, which colour-blind people can tell apart; their yellow is too pale for a line
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
# of types: black is left to means; wine, olive and indigo are of Tol's muted scheme
TYPES = (*COLOURS[:-1], "#882255", "#999933", "#332288")
LINE_STYLES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
UNKNOWN = "#C8C8C8"  # of cells without a label
MODEL_COLOUR = COLOURS[1]  # of the model, among other methods
OTHERS = "#6E6E6E"
LINE = "#999999"  # of zero, and from one mark to another
RANDOM = "#9A9A9A"  # drawn at random, to compare with
LOOK = {
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.labelsize": 8,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "lines.linewidth": 1.3,
}
LONGEST_COLUMN = 16  # names of a legend, one below the other
GIVEN = {  # first arguments: what tells them, and where they come from
    "MuData": ("mod", "give the result.h5mu of a run, read by mudata.read_h5mu, or what JAMIE.to_mudata returns"),
    "Explanation": ("tables", "give what JAMIE.explain returns"),
}
_SHADES = (0.0, 0.55, -0.45)  # lighter and darker variants
_offscreen: ContextVar[bool] = ContextVar("offscreen", default=False)


def apply_style(draw: Callable[P, R]) -> Callable[P, R]:
    """Let a function draw with the sizes and lines that all figures share, whatever matplotlib is set to.

    Where its first argument is a MuData or an explanation, anything else is refused.
    """
    first, kind = next(iter(draw.__annotations__.items()))

    @wraps(draw)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        from matplotlib import rc_context

        if kind in GIVEN and (args or first in kwargs):
            _require(args[0] if args else kwargs[first], str(kind), draw.__name__)
        with rc_context(LOOK):  # type: ignore[arg-type]  # the stubs list the keys of a newer release
            return draw(*args, **kwargs)

    return wrapped


@contextmanager
def offscreen() -> Iterator[None]:
    """Make figures that no window and no notebook shows, and that pyplot does not keep."""
    token = _offscreen.set(True)
    try:
        yield
    finally:
        _offscreen.reset(token)


@contextmanager
def ignore_missing_glyphs() -> Iterator[None]:
    """Draw names in other scripts, such as Chinese ones, without a warning for each letter: boxes stand for them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .*missing from font")
        yield


def panels(
    n: int,
    ax: Axes | Sequence[Axes] | None,
    *,
    width: float = 2.7,
    height: float = 2.5,
    columns: int = 3,
    names: Iterable[str] = (),
) -> list[Axes]:
    """Return `n` axes: those that are given, or those of a new figure.

    Parameters
    ----------
    n
        Number of panels.
    ax
        That are given.
    width, height
        Of a panel, in inches.
    columns
        Panels side by side.
    names
        Of a legend, for which there has to be room.
    """
    if ax is not None:
        given = list(ax) if isinstance(ax, Iterable) else [ax]
        if len(given) != n:
            raise ValueError(f"expected {n} axes, one for each panel, found {len(given)}")
        return given
    across = min(n, columns)
    down = math.ceil(n / across)
    beside, below = _room(list(names), width * across)
    figure = new_figure(width * across + beside, height * down + below)
    axes = figure.subplots(down, across, squeeze=False).ravel().tolist()
    for spare in axes[n:]:
        figure.delaxes(spare)
    return axes[:n]


def new_figure(width: float, height: float) -> Figure:
    """Make a figure (in inches) that makes room for its legends."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    # letters are up to a few hundredths of an inch wider in a file than on the screen that they are laid out for
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.06)
    if _offscreen.get():
        from matplotlib.figure import Figure

        return Figure(figsize=(width, height), layout=layout)
    from matplotlib import pyplot

    return pyplot.figure(figsize=(width, height), layout=layout)


def sort_labels(labels: Iterable[Any]) -> list[str]:
    """Return the different labels sorted, numbers within them by their value; missing ones are left out."""
    import pandas as pd

    found = {str(label) for label in pd.unique(pd.Series(list(labels), dtype=object).dropna())}
    return sorted(found, key=lambda one: [(not s.isdigit(), int(s) if s.isdigit() else 0, s) for s in _parts(one)])


def label_colours(labels: Iterable[Any]) -> dict[str, str]:
    """Give each label a colour, by its place among all labels in order.

    From more labels than there are colours on, lighter and darker variants follow; after those, colours repeat, and
    `label_markers` tells them apart.
    """
    from matplotlib.colors import to_hex

    cycle = [to_hex(_shaded(colour, shade)) for shade in _SHADES for colour in TYPES]
    return {label: cycle[i % len(cycle)] for i, label in enumerate(sort_labels(labels))}


def label_markers(labels: Iterable[Any]) -> dict[str, str]:
    """Give each label a marker; another one as soon as the colours repeat."""
    names = sort_labels(labels)
    n_colours = len(set(label_colours(names).values()))
    return {label: MARKERS[i // max(n_colours, 1) % len(MARKERS)] for i, label in enumerate(names)}


def point_style(n: int) -> dict[str, Any]:
    """Size and opacity of `n` points in one panel: fewer are larger; they are pixels in a figure of lines."""
    size = float(np.clip(90 / math.sqrt(max(n, 1)), 0.25, 18))
    return {
        "s": size,
        "alpha": float(np.clip(30 / math.sqrt(max(n, 1)), 0.25, 0.9)),
        "linewidths": 0,
        "rasterized": True,
    }


def add_legend(
    ax: Axes, colours: Mapping[str, str], markers: Mapping[str, str] | None = None, *, below: bool = False
) -> None:
    """Name colours beside a panel; many of them in columns, or `below` all panels of the figure."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], linestyle="none", marker=(markers or {}).get(name, "o"), color=colour, markersize=4.5)
        for name, colour in colours.items()
    ]
    names = [shorten(name) for name in colours]
    look: dict[str, Any] = {"handletextpad": 0.2, "columnspacing": 0.8, "labelspacing": 0.3, "borderaxespad": 0.2}
    figure = get_figure(ax)
    if below and len(handles) > LONGEST_COLUMN:
        columns = max(int(figure.get_figwidth() / _width(names)), 1)
        figure.legend(handles, names, loc="outside lower center", ncols=columns, **look)
    else:
        columns = max(math.ceil(len(handles) / LONGEST_COLUMN), 1)
        ax.legend(handles, names, loc="upper left", bbox_to_anchor=(1.0, 1.02), ncols=columns, **look)


def shorten(name: Any, longest: int = 28) -> str:
    """Return a name of the data as a figure can hold it: on one line, cut in its middle, dollars no mathematics."""
    name = re.sub(r"[\t\n\r\f\v]+", " ", str(name))
    keep = (longest - 1) // 2
    cut = name if len(name) <= longest else f"{name[: longest - 1 - keep]}…{name[-keep:]}"
    return cut.replace("$", r"\$")


def without_ticks(ax: Axes) -> None:
    """Take the ticks from axes whose numbers mean nothing, as those of a UMAP."""
    ax.set_xticks([])
    ax.set_yticks([])


def get_figure(drawn: Axes | Sequence[Axes]) -> Figure:
    """Return the figure of axes."""
    figure = (drawn[0] if isinstance(drawn, Sequence) else drawn).get_figure(root=True)
    assert figure is not None  # only axes that were removed have none
    return figure


def _width(names: Iterable[str]) -> float:
    """Inches of a column of names in a legend, at the size of its text."""
    return 0.28 + 0.06 * max((len(shorten(name)) for name in names), default=0)


def _room(names: Sequence[str], width: float) -> tuple[float, float]:
    """Inches beside the panels, or below them, that a legend takes."""
    if not names:
        return 0.0, 0.0
    if len(names) <= LONGEST_COLUMN:
        return _width(names), 0.0
    return 0.0, 0.15 * math.ceil(len(names) / max(int(width / _width(names)), 1)) + 0.1


def _require(given: object, kind: str, where: str) -> None:
    attribute, fix = GIVEN[kind]
    if not hasattr(given, attribute):
        raise DataError(f"expected {kind}, found {type(given).__name__}", where=where, fix=fix)


def _parts(label: str) -> list[str]:
    return [part for part in re.split(r"(\d+)", label) if part]


def _shaded(colour: str, shade: float) -> tuple[float, float, float]:
    """Mix a colour with white (shade above 0) or black (below)."""
    from matplotlib.colors import to_rgb

    towards = 1.0 if shade > 0 else 0.0
    red, green, blue = (channel + abs(shade) * (towards - channel) for channel in to_rgb(colour))
    return red, green, blue
