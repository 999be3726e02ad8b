"""Time and memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from jamie.pl.results import model_name, results_table, run_results
from jamie.pl.style import COLOURS, GREY, MODEL_COLOUR, apply_style, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from mudata import MuData

_MIB_PER_GIB = 2**10


@apply_style
def usage(mdata: MuData, *, ax: Sequence[Axes] | None = None) -> list[Axes]:
    """Plot time and peak memory of each stage of a run, and of each method if there are several.

    Parameters
    ----------
    mdata
        Result of a run.
    ax
        Two axes, or four with several methods; a new figure by default.

    Returns
    -------
    list of Axes
        The panels.

    Raises
    ------
    MissingResultError
        If nothing was measured, as for a model that was fitted in memory.

    Examples
    --------
    >>> import jamie
    >>> axes = jamie.pl.usage(result)
    >>> axes[0].get_title()
    'time of each stage'
    """
    stages = results_table(mdata, "stages", fix="times are measured by `jamie run`: give its result.h5mu")
    methods = run_results(mdata).get("methods", pd.DataFrame())
    done, model = methods[methods["status"] == "done"] if len(methods) else methods, model_name(mdata)
    n = 4 if len(done) > 1 else 2
    axes = panels(n, ax, width=3.3, height=0.9 + 0.2 * max(len(stages), len(done)), columns=2)
    _draw_bars(axes[0], stages["stage"], stages["seconds"])
    _label_rows(axes[0], stages["stage"], "seconds", "time of each stage")
    _draw_bars(axes[1], stages["stage"], stages["peak_memory_mib"] / _MIB_PER_GIB)
    _label_rows(axes[1], stages["stage"], "GiB", "peak memory of the process")
    if n == 4:
        _draw_phases(axes[2], done)
        _label_rows(axes[2], done["method"], "seconds", "time of each method")
        axes[2].legend(loc="lower right")
        _draw_bars(axes[3], done["method"], done[["preparation_mib", "training_mib"]].max(axis=1) / _MIB_PER_GIB, model)
        _label_rows(axes[3], done["method"], "GiB", "peak memory of each method")
    return axes


def _draw_bars(ax: Axes, names: pd.Series, values: pd.Series, model: str = "") -> None:
    colours = [MODEL_COLOUR if name == model else COLOURS[0] for name in names]
    bars = ax.barh(range(len(names)), values.fillna(0), color=colours, height=0.7)
    ax.bar_label(bars, [f"{value:.3g}" for value in values], padding=2, fontsize=7)


def _draw_phases(ax: Axes, methods: pd.DataFrame) -> None:
    """Draw stacked bars of preparation and training."""
    start = pd.Series(0.0, index=methods.index)
    for phase, colour in (("preparation", GREY), ("training", COLOURS[0])):
        seconds = methods[f"{phase}_seconds"].fillna(0)
        bars = ax.barh(range(len(methods)), seconds, left=start, color=colour, height=0.7, label=phase)
        start = start + seconds
    ax.bar_label(bars, [f"{total:.3g}" for total in start], padding=2, fontsize=7)


def _label_rows(ax: Axes, names: pd.Series, unit: str, title: str) -> None:
    ax.set_yticks(range(len(names)), [str(name).replace("_", " ") for name in names])
    ax.invert_yaxis()
    ax.set(xlabel=unit, title=title, xlim=(0, 1.2 * ax.dataLim.x1 or 1))
