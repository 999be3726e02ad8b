"""Imputability of each feature."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jamie.core.errors import MissingResultError
from jamie.core.matrix import column_variances
from jamie.core.names import imputability_key
from jamie.pl.direct_labels import label_points
from jamie.pl.results import get_modality, measured_block
from jamie.pl.style import COLOURS, LINE_COLOUR, apply_style, panels, point_style, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from mudata import MuData

_LONGEST_NAME = 24  # letters
_LOG_RATIO = 30  # of the largest to the smallest variance, beyond which the axis is logarithmic


@apply_style
def imputability(mdata: MuData, source: str, target: str, *, n_named: int = 6, ax: Axes | None = None) -> Axes:
    """Plot the imputability of each feature against its variance.

    Imputability is the correlation of measured and imputed values in calibration cells.

    Parameters
    ----------
    mdata
        Result of a run with the measured values, and with ``var["imputability_from_SOURCE"]`` of the target.
    source, target
        Direction of imputation.
    n_named
        Number of the best features that are named.
    ax
        Axes to draw in; a new figure by default.

    Returns
    -------
    Axes
        The panel.

    Raises
    ------
    MissingResultError
        If there is no such column.

    Examples
    --------
    >>> import jamie
    >>> ax = jamie.pl.imputability(result, "rna", "protein", n_named=1)
    >>> ax.get_ylabel()
    'imputability from rna'
    """
    column = imputability_key(source)
    var = get_modality(mdata, target).var
    if column not in var:
        fix = "it is estimated on calibration cells (training.calibration), which needs known pairs"
        raise MissingResultError(f'expected var["{column}"] of {target}, found none', fix=fix)
    block = measured_block(mdata, target)
    names = block.features.to_numpy(str)
    points = np.column_stack([column_variances(block.X), var[column].reindex(block.features).to_numpy(float)])
    variance, score = points.T
    known = np.isfinite(score) & (variance > 0)
    if not known.any():
        fix = "use more calibration cells (training.calibration)"
        raise MissingResultError(f'expected numbers in var["{column}"] of {target}, found none', fix=fix)
    ax = panels(1, ax, width=3.4, height=2.8)[0]
    ax.scatter(variance[known], score[known], color=COLOURS[0], **point_style(int(known.sum())))
    if variance[known].max() / variance[known].min() > _LOG_RATIO:
        ax.set_xscale("log")
        ax.set_xticks([], minor=True)
    ax.axhline(0, color=LINE_COLOUR, linewidth=0.7)
    ax.set(xlabel=f"variance of the feature of {target}, measured", ylabel=f"imputability from {source}")
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.12 * (high - low))
    ranked = np.flatnonzero(known)[np.argsort(-score[known], kind="stable")]
    best, others = ranked[:n_named], np.sort(ranked[n_named:])
    labels = [*(shorten(name, _LONGEST_NAME) for name in names[best]), *[""] * len(others)]
    label_points(ax, points[np.concatenate([best, others])], labels, size=7, optional=True)
    return ax
