"""How good inferred partners are."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jamie.core.errors import MissingResultError
from jamie.core.names import MATCH_SCORE
from jamie.pl.results import results, run_modalities
from jamie.pl.style import COLOURS, LINE_STYLES, OTHERS, apply_style, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from mudata import MuData

CONFIDENCE, TRUE_PARTNERS, BESIDE_CHANCE = "confidence", "true partners", "beside chance"  # panels
_MEASURES = {
    "top1": ("best match:\ntrue partner", "top1_chance"),
    "mass": ("confidence:\ntrue partner", "mass_chance"),
    "type_accuracy": ("best match:\nsame type", "type_chance"),
}
_WHERE = "correspondence"


@apply_style
def correspondence(mdata: MuData, *, ax: Sequence[Axes] | None = None) -> list[Axes]:
    """Draw how sure inferred partners are, and how good where the truth is known.

    Up to three panels: the confidence of each cell's best partner; the fraction of the cells whose true partner is
    among the best matches, against how many matches that are (the diagonal is chance); and what the best match is,
    beside chance.

    Parameters
    ----------
    mdata
        With ``obs["jamie_match_score"]`` of each modality, and the quality of what was inferred, of a run.
    ax
        As many axes as there are panels; a new figure by default.

    Raises
    ------
    MissingResultError
        Where nothing was inferred.
    """
    drawn = _panels(mdata)
    if not drawn:
        fix = "partners are inferred where pairs are not known: correspondence.infer"
        raise MissingResultError("expected inferred partners, found none", where=_WHERE, fix=fix)
    axes = panels(len(drawn), ax, width=3.1, height=2.6, names=[_name(one) for one in _records(mdata)])
    for one, (title, draw) in zip(axes, drawn.items(), strict=True):
        draw(one)
        one.set_title(title)
    return axes


def correspondence_panels(mdata: MuData) -> list[str]:
    """Return which panels `correspondence` draws: `CONFIDENCE`, `TRUE_PARTNERS` and `BESIDE_CHANCE`, where they are."""
    return list(_panels(mdata))


def _panels(mdata: MuData) -> dict[str, Callable[[Axes], None]]:
    """Return what there is to draw, by its title."""
    records = _records(mdata)
    if not records:
        return {}
    scores = {m: mdata.mod[m].obs[MATCH_SCORE] for m in run_modalities(mdata) if MATCH_SCORE in mdata.mod[m].obs}
    qualities = {_name(one): one["quality"] for one in records if one.get("quality")}
    curves = {name: one["quantile_curve"] for name, one in qualities.items() if one.get("quantile_curve")}
    judged = {name: one for name, one in qualities.items() if any(key in one for key in _MEASURES)}
    drawn: dict[str, Callable[[Axes], None]] = {}
    if scores:
        drawn[CONFIDENCE] = partial(_confidence, scores=scores)
    if curves:
        drawn[TRUE_PARTNERS] = partial(_curves, curves=curves, qualities=qualities)
    if judged:
        drawn[BESIDE_CHANCE] = partial(_beside_chance, qualities=judged)
    return drawn


def _records(mdata: MuData) -> list[dict[str, Any]]:
    """Return what the run says of every two modalities between which it inferred anything."""
    found = json.loads(str(results(mdata, _WHERE).get("correspondence") or "[]"))
    return [one for one in found if one.get("diagnostics", {}).get("picked") != "nothing"]


def _name(record: Mapping[str, Any]) -> str:
    return f"{record['source']} and {record['target']}"


def _confidence(ax: Axes, scores: Mapping[str, pd.Series]) -> None:
    """Draw which fraction of the cells has a best partner of at least a confidence."""
    for (m, column), colour, stroke in zip(scores.items(), COLOURS, LINE_STYLES * 2, strict=False):
        values = np.sort(column.dropna().to_numpy(float))
        share = 1 - np.arange(len(values)) / max(len(values), 1)
        ax.step(
            np.r_[0, values, 1],
            np.r_[1, share, 0 if values[-1] < 1 else share[-1]],
            where="pre",
            color=colour,
            linestyle=stroke,
            label=m,
        )
    ax.set(xlabel="confidence of the best partner", ylabel="fraction of cells with at least this")
    ax.set_xlim(0, 1.02)
    ax.set_ylim(0, 1.02)
    ax.legend(loc="best")


def _curves(ax: Axes, curves: Mapping[str, Sequence[float]], qualities: Mapping[str, Mapping[str, Any]]) -> None:
    ax.plot([0, 1], [0, 1], color=OTHERS, linestyle="--", linewidth=0.9, label="chance, 0.5")
    for (name, curve), colour in zip(curves.items(), COLOURS, strict=False):
        mean, error = (qualities[name][key] for key in ("mean_quantile", "quantile_error"))
        label = f"{mean:.3f} ± {error:.3f}"
        ax.plot(curve, np.linspace(0, 1, len(curve)), color=colour, label=label)
    ax.set(xlabel="quantile of the true partner", ylabel="fraction of cells")
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1.01)
    ax.legend(loc="lower right", title="mean")


def _beside_chance(ax: Axes, qualities: Mapping[str, Mapping[str, Any]]) -> None:
    present = [key for key in _MEASURES if any(key in one for one in qualities.values())]
    width = 0.8 / len(qualities)
    for i, ((name, one), colour) in enumerate(zip(qualities.items(), COLOURS * 3, strict=False)):
        for k, key in enumerate(present):
            if key not in one:
                continue
            place = k + (i - (len(qualities) - 1) / 2) * width
            ax.bar(place, one[key], width=width * 0.9, color=colour, label=name if k == 0 else None)
            chance = one[_MEASURES[key][1]]
            ax.plot([place - width / 2, place + width / 2], [chance, chance], color="black", linewidth=1.5)
    ax.plot([], [], color="black", linewidth=1.5, label="chance")
    ax.set_xticks(range(len(present)), [_MEASURES[key][0] for key in present])
    ax.set_ylim(0, 1)
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.02))
