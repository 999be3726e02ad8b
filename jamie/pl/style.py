"""Style that all figures share: colours of labels and methods, sizes of text and points, panels and legends."""

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
from jamie.core.global_state import global_state_kept
from jamie.core.labels import sort_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")
R = TypeVar("R")

# Okabe and Ito's colours, which colour-blind people can distinguish; their yellow is too pale for a line
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
# black is left to means; wine, olive and indigo are of Tol's muted scheme
LABEL_COLOURS = (*COLOURS[:-1], "#882255", "#999933", "#332288")
LINE_STYLES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
UNLABELLED = "#C8C8C8"
MODEL_COLOUR = COLOURS[1]
GREY = "#6E6E6E"  # other methods, chance
LINE_COLOUR = "#999999"  # zero lines and connecting lines
RC_PARAMS = {
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
LEGEND_ROWS = 16  # names of a legend in one column
FIRST_ARGUMENTS = {  # by type: an attribute that it has, and where it comes from
    "MuData": ("mod", "give the result.h5mu of a run, read by mudata.read_h5mu, or what JAMIE.to_mudata returns"),
    "Explanation": ("tables", "give what JAMIE.explain returns"),
}
_SHADES = (0.0, 0.55, -0.45)  # lighter and darker variants
_offscreen: ContextVar[bool] = ContextVar("offscreen", default=False)


def apply_style(draw: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function that draws: shared sizes and lines, and errors that name the function.

    If its first parameter is a MuData or an explanation, any other argument is refused.
    """
    first, kind = next(iter(draw.__annotations__.items()))

    @wraps(draw)
    def styled(*args: P.args, **kwargs: P.kwargs) -> R:
        from matplotlib import rc_context

        try:
            if kind in FIRST_ARGUMENTS and (args or first in kwargs):
                _require(args[0] if args else kwargs[first], str(kind))
            with global_state_kept(), rc_context(RC_PARAMS):  # type: ignore[arg-type]  # the stubs list the keys of a newer release
                return draw(*args, **kwargs)
        except DataError as error:
            if error.where:
                raise
            named = type(error)(error.problem, where=draw.__name__, fix=error.fix)
            raise named.with_traceback(error.__traceback__) from None

    return styled


@contextmanager
def offscreen() -> Iterator[None]:
    """Make figures that no window and no notebook shows, that pyplot does not keep, in matplotlib's own style."""
    from matplotlib import style

    token = _offscreen.set(True)
    try:
        with style.context("default"):
            yield
    finally:
        _offscreen.reset(token)


@contextmanager
def ignore_missing_glyphs() -> Iterator[None]:
    """Suppress matplotlib's warnings of letters that its font lacks, such as Chinese ones: it draws boxes for them."""
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
    """Return `n` axes: the given ones, or those of a new figure.

    Parameters
    ----------
    n
        Number of panels.
    ax
        Axes that the user has given.
    width, height
        Size of a panel, in inches.
    columns
        Panels side by side.
    names
        Entries of a legend that needs room.
    """
    if ax is not None:
        given = list(ax) if isinstance(ax, Iterable) else [ax]
        if len(given) != n:
            raise ValueError(f"expected {n} axes, one for each panel, found {len(given)}")
        return given
    across = min(n, columns)
    down = math.ceil(n / across)
    beside, below = _legend_size(list(names), width * across)
    figure = _new_figure(width * across + beside, height * down + below)
    axes = figure.subplots(down, across, squeeze=False).ravel().tolist()
    for spare in axes[n:]:
        figure.delaxes(spare)
    return axes[:n]


def _new_figure(width: float, height: float) -> Figure:
    """Make a figure (in inches) that leaves room for its legends."""
    from matplotlib import pyplot
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    # letters are up to a few hundredths of an inch wider in a file than on the screen that they are laid out for
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.06)
    make = Figure if _offscreen.get() else pyplot.figure
    return make(figsize=(width, height), layout=layout)


def label_colours(labels: Iterable[Any]) -> dict[str, str]:
    """Return a colour for each label, by its position among all labels in natural order.

    With more labels than colours, lighter and darker variants follow. Beyond these, colours repeat, and `label_markers`
    distinguishes the labels.
    """
    from matplotlib.colors import to_hex

    cycle = [to_hex(_shade(colour, shade)) for shade in _SHADES for colour in LABEL_COLOURS]
    return {label: cycle[i % len(cycle)] for i, label in enumerate(sort_labels(labels))}


def label_markers(labels: Iterable[Any]) -> dict[str, str]:
    """Return a marker for each label: the next one whenever the colours repeat."""
    names = sort_labels(labels)
    n_colours = len(set(label_colours(names).values()))
    return {label: MARKERS[i // max(n_colours, 1) % len(MARKERS)] for i, label in enumerate(names)}


def point_style(n: int) -> dict[str, Any]:
    """Return size and opacity for `n` points in a panel, larger if there are few; vector files hold them as pixels."""
    return {
        "s": float(np.clip(90 / math.sqrt(max(n, 1)), 0.25, 18)),
        "alpha": float(np.clip(30 / math.sqrt(max(n, 1)), 0.25, 0.9)),
        "linewidths": 0,
        "rasterized": True,
    }


def add_legend(
    ax: Axes, colours: Mapping[str, str], markers: Mapping[str, str] | None = None, *, below: bool = False
) -> None:
    """Add a legend of colours beside a panel; a long one has columns, or stands `below` all panels of the figure."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], linestyle="none", marker=(markers or {}).get(name, "o"), color=colour, markersize=4.5)
        for name, colour in colours.items()
    ]
    names = [shorten(name) for name in colours]
    spacing: dict[str, Any] = {"handletextpad": 0.2, "columnspacing": 0.8, "labelspacing": 0.3, "borderaxespad": 0.2}
    figure = get_figure(ax)
    if below and len(handles) > LEGEND_ROWS:
        columns = max(int(figure.get_figwidth() / _legend_width(names)), 1)
        figure.legend(handles, names, loc="outside lower center", ncols=columns, **spacing)
    else:
        columns = max(math.ceil(len(handles) / LEGEND_ROWS), 1)
        ax.legend(handles, names, loc="upper left", bbox_to_anchor=(1.0, 1.02), ncols=columns, **spacing)


def shorten(name: Any, longest: int = 28) -> str:
    """Return a name of the data for a figure: on one line, cut in its middle, with dollar signs escaped."""
    name = re.sub(r"[\t\n\r\f\v]+", " ", str(name))
    keep = (longest - 1) // 2
    cut = name if len(name) <= longest else f"{name[: longest - 1 - keep]}…{name[-keep:]}"
    return cut.replace("$", r"\$")


def get_figure(axes: Axes | Sequence[Axes]) -> Figure:
    """Return the figure of axes."""
    figure = (axes[0] if isinstance(axes, Sequence) else axes).get_figure(root=True)
    assert figure is not None  # only axes that were removed have none
    return figure


def _legend_width(names: Iterable[str]) -> float:
    """Return the width in inches of a column of a legend."""
    return 0.28 + 0.06 * max((len(shorten(name)) for name in names), default=0)


def _legend_size(names: Sequence[str], width: float) -> tuple[float, float]:
    """Return the inches that a legend takes beside panels of this width, and below them."""
    if not names:
        return 0.0, 0.0
    if len(names) <= LEGEND_ROWS:
        return _legend_width(names), 0.0
    return 0.0, 0.15 * math.ceil(len(names) / max(int(width / _legend_width(names)), 1)) + 0.1


def _require(argument: object, kind: str) -> None:
    attribute, fix = FIRST_ARGUMENTS[kind]
    if not hasattr(argument, attribute):
        raise DataError(f"expected {kind}, found {type(argument).__name__}", fix=fix)


def _shade(colour: str, shade: float) -> Any:
    """Mix a colour with white (shade above 0) or black (below)."""
    from matplotlib.colors import to_rgb

    rgb = np.array(to_rgb(colour))
    return rgb + abs(shade) * (float(shade > 0) - rgb)
