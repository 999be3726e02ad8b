"""Which features can be imputed at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jamie.core.errors import MissingResultError
from jamie.core.matrix import column_variances
from jamie.core.names import imputability_key
from jamie.pl.direct_labels import label_points
from jamie.pl.results import measured, modality
from jamie.pl.style import COLOURS, LINE, apply_style, panels, point_style, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from mudata import MuData

_WHERE = "imputability"
_LONGEST = 24  # letters of a name
_FAR_APART = 30  # ratio of the largest to the smallest variance from which the axis is logarithmic


@apply_style
def imputability(mdata: MuData, source: str, target: str, *, n_named: int = 6, ax: Axes | None = None) -> Axes:
    """Draw how well each feature could be imputed in cells set aside from the training, against its variance.

    Parameters
    ----------
    mdata
        With the measured values, and ``var["imputability_from_SOURCE"]`` of the target.
    source, target
        What was imputed from what.
    n_named
        How many of the best features are named.
    ax
        Where to draw; a new figure by default.

    Raises
    ------
    MissingResultError
        Where there is no such column.
    """
    adata, key = modality(mdata, target, _WHERE), imputability_key(source)
    if key not in adata.var:
        fix = "it is learned from cells set aside (training.calibration), where pairs of cells are known"
        raise MissingResultError(f'expected var["{key}"] of {target}, found none', where=_WHERE, fix=fix)
    block = measured(mdata, target, _WHERE)
    score = adata.var[key].reindex(block.features).to_numpy(float)
    spread = column_variances(block.X)
    known = np.isfinite(score) & (spread > 0)
    if not known.any():
        problem = f'expected numbers in var["{key}"] of {target}, found none'
        raise MissingResultError(problem, where=_WHERE, fix="set more cells aside (training.calibration)")
    here = panels(1, ax, width=3.4, height=2.8)[0]
    here.scatter(spread[known], score[known], color=COLOURS[0], **point_style(int(known.sum())))
    if spread[known].max() / spread[known].min() > _FAR_APART:
        here.set_xscale("log")
        here.set_xticks([], minor=True)
    here.axhline(0, color=LINE, linewidth=0.7)
    here.set(xlabel=f"variance of the feature of {target}, measured", ylabel=f"imputability from {source}")
    _name_best(here, spread, score, known, block.features.to_numpy(str), n_named)
    return here


def _name_best(
    ax: Axes, spread: np.ndarray, score: np.ndarray, known: np.ndarray, names: np.ndarray, n_named: int
) -> None:
    """Name the best features, as far as there is room."""
    best = np.flatnonzero(known)[np.argsort(-score[known], kind="stable")][:n_named]
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.12 * (high - low))
    points = np.column_stack([spread, score])
    others = np.flatnonzero(known & ~np.isin(np.arange(len(names)), best))
    shown = [shorten(name, _LONGEST) for name in names[best]]
    rows = np.concatenate([best, others])
    label_points(ax, points[rows], [*shown, *[""] * len(others)], size=7, optional=True)
