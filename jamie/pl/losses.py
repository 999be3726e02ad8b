"""Losses by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from jamie.pl.results import results_table
from jamie.pl.style import COLOURS, GREY, LINE_STYLES, MARKERS, apply_style, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from mudata import MuData

_OTHER_COLUMNS = ("member", "epoch", "total", "kappa", "kept", "validation")


@apply_style
def losses(mdata: MuData, *, ax: Sequence[Axes] | None = None) -> list[Axes]:
    """Plot the training and validation loss by epoch, and each term of the training loss.

    Dots mark the epoch whose networks were kept. If the weight of the KL divergence changes with the epoch, its factor
    kappa is drawn as well.

    Parameters
    ----------
    mdata
        Result of a run.
    ax
        Two axes; a new figure by default.

    Returns
    -------
    list of Axes
        The weighted sum, and the terms.

    Raises
    ------
    MissingResultError
        If there is no table ``history``.

    Examples
    --------
    >>> import jamie
    >>> total, terms = jamie.pl.losses(result)
    >>> total.get_ylabel()
    'loss'
    """
    history = results_table(mdata, "history")
    total, terms = axes = panels(2, ax, width=3.2)
    _plot_total(total, history)
    _plot_terms(terms, history)
    for panel in axes:
        panel.set_xlabel("epoch")
        panel.margins(x=0.02)
    return axes


def _plot_total(ax: Axes, history: pd.DataFrame) -> None:
    first = history["member"].iloc[0]
    columns = {"training": "total"} | ({"validation": "validation"} if "validation" in history else {})
    for (name, column), colour in zip(columns.items(), COLOURS, strict=False):
        for member, rows in history.groupby("member"):
            label = name if member == first else None
            ax.plot(rows["epoch"], rows[column], color=colour, linewidth=0.9, alpha=0.75, label=label)
    kept = history[history["kept"].astype(bool)]
    if len(kept):
        last = list(columns.values())[-1]
        ax.scatter(kept["epoch"], kept[last], s=16, color="black", zorder=3, label="kept")
    ax.set(title="weighted sum", ylabel="loss")
    member = history[history["member"] == first]
    if member["kappa"].nunique() > 1:
        right = ax.twinx()
        right.plot(member["epoch"], member["kappa"], color=GREY, linestyle="--", linewidth=1)
        right.set_ylim(0, 1.05)
        right.set_ylabel("factor kappa of the KL divergence (dashed)", color=GREY)
        right.spines["right"].set_visible(True)
    ax.legend(loc="upper right")


def _plot_terms(ax: Axes, history: pd.DataFrame) -> None:
    names = [name for name in history.columns if name not in _OTHER_COLUMNS]
    for i, name in enumerate(names):
        mean = history.groupby("epoch")[name].mean()
        ax.plot(
            mean.index,
            mean,
            label=name.replace("_", " "),
            color=COLOURS[i % len(COLOURS)],
            linestyle=LINE_STYLES[i // len(COLOURS) % len(LINE_STYLES)],
            marker=MARKERS[i % len(MARKERS)],
            markevery=(i, max(len(mean) // 6, 1)),
            markersize=3.5,
        )
    if len(names) and (history[names] > 0).any(axis=None):
        ax.set_yscale("log")
    ax.set_title("each term, unweighted")
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.02))
