"""Confidence and quality of an inferred correspondence."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jamie.core.errors import MissingResultError
from jamie.core.names import MATCH_SCORE
from jamie.pl.results import run_modalities, run_results
from jamie.pl.style import COLOURS, GREY, LINE_STYLES, apply_style, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from mudata import MuData

CONFIDENCE, TRUE_PARTNERS, CHANCE = "confidence", "true partners", "comparison with chance"  # panels
_MEASURES = {  # name on the axis, key of its value by chance
    "top1": ("best match:\ntrue partner", "top1_chance"),
    "mass": ("confidence:\ntrue partner", "mass_chance"),
    "type_accuracy": ("best match:\nsame type", "type_chance"),
}


@apply_style
def correspondence(mdata: MuData, *, ax: Sequence[Axes] | None = None) -> list[Axes]:
    """Plot the confidence of inferred partners, and their quality if the true partners are known.

    Up to three panels: the confidence of each cell's best partner; the fraction of cells whose true partner is among
    the best matches, against the fraction of cells that count as best (the diagonal is chance); and how often the best
    match is right, compared with chance.

    Parameters
    ----------
    mdata
        Result of a run that inferred a correspondence.
    ax
        As many axes as there are panels; a new figure by default.

    Returns
    -------
    list of Axes
        The panels.

    Raises
    ------
    MissingResultError
        If nothing was inferred.

    Examples
    --------
    >>> import jamie
    >>> axes = jamie.pl.correspondence(result)
    >>> [ax.get_title() for ax in axes]
    ['confidence', 'true partners', 'comparison with chance']
    """
    plots = correspondence_panels(mdata)
    if not plots:
        fix = "partners are inferred if pairs are not known: correspondence.infer"
        raise MissingResultError("expected inferred partners, found none", fix=fix)
    axes = panels(len(plots), ax, width=3.1, height=2.6, names=_records(mdata))
    for panel, (title, plot) in zip(axes, plots.items(), strict=True):
        plot(panel)
        panel.set_title(title)
    return axes


def correspondence_panels(mdata: MuData) -> dict[str, Callable[[Axes], None]]:
    """Return a function that draws each panel of `correspondence`, by its title: those that the results allow."""
    records = _records(mdata)
    if not records:
        return {}
    scores = {m: mdata.mod[m].obs[MATCH_SCORE] for m in run_modalities(mdata) if MATCH_SCORE in mdata.mod[m].obs}
    qualities = {name: record["quality"] for name, record in records.items() if record.get("quality")}
    ranked = {name: quality for name, quality in qualities.items() if quality.get("quantile_curve")}
    measured = {name: quality for name, quality in qualities.items() if quality.keys() & _MEASURES}
    plots: dict[str, tuple[Callable[..., None], Mapping[str, Any]]] = {
        CONFIDENCE: (_plot_confidence, scores),
        TRUE_PARTNERS: (_plot_quantiles, ranked),
        CHANCE: (_plot_measures, measured),
    }
    return {title: partial(plot, values=values) for title, (plot, values) in plots.items() if values}


def _records(mdata: MuData) -> dict[str, dict[str, Any]]:
    """Return what the run reports of each inferred correspondence, by the names of its modalities."""
    records = json.loads(str(run_results(mdata).get("correspondence") or "[]"))
    inferred = [record for record in records if record.get("diagnostics", {}).get("picked") != "nothing"]
    return {f"{record['source']} and {record['target']}": record for record in inferred}


def _plot_confidence(ax: Axes, values: Mapping[str, pd.Series]) -> None:
    """Plot the fraction of cells whose best partner has at least a confidence."""
    for (m, column), colour, line in zip(values.items(), COLOURS, LINE_STYLES * 2, strict=False):
        scores = np.sort(column.dropna().to_numpy(float))
        share = 1 - np.arange(len(scores)) / max(len(scores), 1)
        x = np.r_[0, scores, 1]
        y = np.r_[1, share, 0 if scores[-1] < 1 else share[-1]]
        ax.step(x, y, where="pre", color=colour, linestyle=line, label=m)
    ax.set(xlabel="confidence of the best partner", ylabel="fraction of cells with at least this")
    ax.set(xlim=(0, 1.02), ylim=(0, 1.02))
    ax.legend(loc="best")


def _plot_quantiles(ax: Axes, values: Mapping[str, Mapping[str, Any]]) -> None:
    """Plot the distribution of the quantile of the true partner among all matches of a cell."""
    ax.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=0.9, label="chance, 0.5")
    for quality, colour in zip(values.values(), COLOURS, strict=False):
        curve = quality["quantile_curve"]
        label = f"{quality['mean_quantile']:.3f} ± {quality['quantile_error']:.3f}"
        ax.plot(curve, np.linspace(0, 1, len(curve)), color=colour, label=label)
    ax.set(xlabel="quantile of the true partner", ylabel="fraction of cells", xlim=(0, 1), ylim=(0, 1.01))
    ax.legend(loc="lower right", title="mean")


def _plot_measures(ax: Axes, values: Mapping[str, Mapping[str, Any]]) -> None:
    """Plot a bar for each measure of the best match, with a line at its value by chance."""
    present = [key for key in _MEASURES if any(key in quality for quality in values.values())]
    width = 0.8 / len(values)
    for i, ((name, quality), colour) in enumerate(zip(values.items(), COLOURS * 3, strict=False)):
        for k, key in enumerate(present):
            if key not in quality:
                continue
            x = k + (i - (len(values) - 1) / 2) * width
            ax.bar(x, quality[key], width=width * 0.9, color=colour, label=name if k == 0 else None)
            chance = quality[_MEASURES[key][1]]
            ax.plot([x - width / 2, x + width / 2], [chance, chance], color="black", linewidth=1.5)
    ax.plot([], [], color="black", linewidth=1.5, label="chance")
    ax.set_xticks(range(len(present)), [_MEASURES[key][0] for key in present])
    ax.set_ylim(0, 1)
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.02))
