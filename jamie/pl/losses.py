"""Losses by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from jamie.pl.results import table
from jamie.pl.style import COLOURS, LINE_STYLES, MARKERS, OTHERS, apply_style, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from mudata import MuData

_NO_LOSS = ("member", "epoch", "total", "kappa", "kept", "validation")


@apply_style
def losses(mdata: MuData, *, ax: Sequence[Axes] | None = None) -> list[Axes]:
    """Draw the losses of training: the weighted total with that of the cells set aside, and each term by itself.

    The epoch whose networks were kept is marked. Where the weight of the divergence changes with the epoch, its factor
    kappa is drawn beside the total.

    Parameters
    ----------
    mdata
        With the table ``history`` of a run.
    ax
        Two axes to draw in; a new figure by default.

    Raises
    ------
    MissingResultError
        Where there is no such table.
    """
    history = table(mdata, "history", "losses")
    total, terms = panels(2, ax, width=3.2)
    _draw_total(total, history)
    _draw_terms(terms, history)
    for one in (total, terms):
        one.set_xlabel("epoch")
        one.margins(x=0.02)
    return [total, terms]


def _draw_total(ax: Axes, history: pd.DataFrame) -> None:
    curves = {"training": "total"} | ({"set aside": "validation"} if "validation" in history else {})
    for (name, key), colour in zip(curves.items(), COLOURS, strict=False):
        for member, rows in history.groupby("member"):
            label = name if member == history["member"].iloc[0] else None
            ax.plot(rows["epoch"], rows[key], color=colour, linewidth=0.9, alpha=0.75, label=label)
    kept = history[history["kept"].astype(bool)]
    key = list(curves.values())[-1]
    if len(kept):
        ax.scatter(kept["epoch"], kept[key], s=16, color="black", zorder=3, label="kept")
    ax.set_title("weighted sum")
    ax.set_ylabel("loss")
    kappa = history[history["member"] == history["member"].iloc[0]]
    if kappa["kappa"].nunique() > 1:
        beside = ax.twinx()
        beside.plot(kappa["epoch"], kappa["kappa"], color=OTHERS, linestyle="--", linewidth=1)
        beside.set_ylim(0, 1.05)
        beside.set_ylabel("factor kappa of the divergence (dashed)", color=OTHERS)
        beside.spines["right"].set_visible(True)
    ax.legend(loc="upper right")


def _draw_terms(ax: Axes, history: pd.DataFrame) -> None:
    names = [name for name in history.columns if name not in _NO_LOSS]
    for i, name in enumerate(names):
        mean = history.groupby("epoch")[name].mean()
        look: dict[str, Any] = {
            "color": COLOURS[i % len(COLOURS)],
            "linestyle": LINE_STYLES[i // len(COLOURS) % len(LINE_STYLES)],
        }
        look |= {"marker": MARKERS[i % len(MARKERS)], "markevery": (i, max(len(mean) // 6, 1)), "markersize": 3.5}
        ax.plot(mean.index, mean, label=name.replace("_", " "), **look)
    if len(names) and (history[names] > 0).any(axis=None):
        ax.set_yscale("log")
    ax.set_title("each term, unweighted")
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.02))
