"""Time and memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from jamie.core.errors import MissingResultError
from jamie.core.names import MODEL_NAME
from jamie.pl.results import results
from jamie.pl.style import COLOURS, MODEL_COLOUR, OTHERS, apply_style, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from mudata import MuData

_PHASES = {"preparation_seconds": "preparation", "training_seconds": "training"}


@apply_style
def usage(mdata: MuData, *, ax: Sequence[Axes] | None = None) -> list[Axes]:
    """Draw the time and the peak memory of each stage of a run, and those of each method where there are several.

    Parameters
    ----------
    mdata
        With the tables ``stages`` and ``methods`` of a run.
    ax
        As many axes as there are panels (2, or 4 with several methods); a new figure by default.

    Raises
    ------
    MissingResultError
        Where nothing was measured, as for a model that was fitted in memory.
    """
    found = results(mdata, "usage")
    stages, methods = (found.get(name, pd.DataFrame()) for name in ("stages", "methods"))
    if not len(stages):
        fix = "times are measured by `jamie run`: give its result.h5mu"
        raise MissingResultError("expected the table 'stages' of results, found none", where="usage", fix=fix)
    several = methods[methods["status"] == "done"] if len(methods) else methods
    n = 4 if len(several) > 1 else 2
    rows = max(len(stages), len(several))
    axes = panels(n, ax, width=3.3, height=0.9 + 0.2 * rows, columns=2)
    _bars(axes[0], stages["stage"], stages["seconds"], "seconds", "time of each stage")
    _bars(axes[1], stages["stage"], stages["peak_memory_mib"] / 2**10, "GiB", "peak memory of the process")
    if n == 4:
        _phases(axes[2], several)
        memory = several[["preparation_mib", "training_mib"]].max(axis=1) / 2**10
        _bars(axes[3], several["method"], memory, "GiB", "peak memory of each method")
    return axes


def _bars(ax: Axes, names: pd.Series, values: pd.Series, unit: str, title: str) -> None:
    colours = [MODEL_COLOUR if name == MODEL_NAME else COLOURS[0] for name in names]
    bars = ax.barh(range(len(names)), values.fillna(0), color=colours, height=0.7)
    ax.bar_label(bars, [f"{value:.3g}" for value in values], padding=2, fontsize=7)
    _name_rows(ax, names, unit, title)


def _phases(ax: Axes, methods: pd.DataFrame) -> None:
    """Draw preparation and training of each method one after the other."""
    start = pd.Series(0.0, index=methods.index)
    for (key, name), colour in zip(_PHASES.items(), (OTHERS, COLOURS[0]), strict=True):
        seconds = methods[key].fillna(0)
        ax.barh(range(len(methods)), seconds, left=start, color=colour, height=0.7, label=name)
        start = start + seconds
    for row, total in enumerate(start):
        ax.annotate(f"{total:.3g}", (total, row), xytext=(2, 0), textcoords="offset points", va="center", fontsize=7)
    _name_rows(ax, methods["method"], "seconds", "time of each method")
    ax.legend(loc="lower right")


def _name_rows(ax: Axes, names: pd.Series, unit: str, title: str) -> None:
    ax.set_yticks(range(len(names)), [str(name).replace("_", " ") for name in names])
    ax.invert_yaxis()
    ax.set_xlabel(unit)
    ax.set_title(title)
    ax.set_xlim(0, 1.2 * ax.dataLim.x1 or 1)
