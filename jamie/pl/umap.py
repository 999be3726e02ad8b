"""Cells in two dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.errors import DataError
from jamie.core.suggest import choose_from
from jamie.core.values import dense
from jamie.data.load import cell_annotations
from jamie.pl.carried import AbsentError, all_labels, column, modalities_of, modality
from jamie.pl.style import (
    COLOURS,
    UNKNOWN,
    label_colours,
    label_markers,
    name_colours,
    panels,
    point_look,
    styled,
    without_ticks,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from mudata import MuData

BY_MODALITY = "modality"
_KEYS = {"latents": "X_jamie_umap", "data": "X_data_umap"}
_MOST_NAMED = 20  # labels from which colours repeat or are hard to tell apart: these are numbered as well
_MOST_VALUES = 100  # different whole numbers that are still taken for labels
_WHERE = "umap"


@styled
def umap(
    mdata: MuData,
    color: str = BY_MODALITY,
    modality: str | None = None,
    *,
    of: Literal["latents", "data"] = "latents",
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Draw cells where UMAP puts them, by a label, a number, a feature, or their modality.

    Parameters
    ----------
    mdata
        With ``obsm["X_jamie_umap"]``, in which all modalities lie together, and ``obsm["X_data_umap"]``, the values of
        each modality, as a run with a report leaves them.
    color
        ``modality``, a column of obs, or a feature of a modality. A label that only the partners of cells have is
        theirs as well. A type has the same colour in all modalities.
    modality
        Whose cells to draw; all by default.
    of
        Whether to show the latents, or the preprocessed values of one modality.
    legend
        Whether to name the colours beside the panel.
    ax
        Where to draw; a new figure by default.

    Raises
    ------
    AbsentError
        Where there is no layout, or nothing of the name `color`.
    """
    if of == "data" and modality is None:
        raise DataError(
            "expected one modality, as each one's values have a layout of their own, found none",
            where=_WHERE,
            fix=choose_from("", modalities_of(mdata)),
        )
    names = modalities_of(mdata) if modality is None else [modality]
    points = {m: _layout(mdata, m, _KEYS[of]) for m in names}
    here = panels(1, ax)[0]
    together = np.concatenate(list(points.values()))
    if color == BY_MODALITY:
        values = pd.Series(np.repeat(names, [len(one) for one in points.values()]))
        colours = dict(zip(modalities_of(mdata), COLOURS * 3, strict=False))
        _by_label(here, together, values, {m: colours[m] for m in names}, {}, legend)
    else:
        values = pd.concat([_values(mdata, m, color) for m in names])
        if _is_number(values):
            _by_number(here, together, values.to_numpy(float), color)
        else:
            known = all_labels(mdata, color)
            _by_label(here, together, values, label_colours(known), label_markers(known), legend)
    without_ticks(here)
    here.set_xlabel("UMAP 1")
    here.set_ylabel("UMAP 2")
    here.set_title(f"{modality or 'all modalities'}: {of}, by {color}")
    return here


def _layout(mdata: MuData, name: str, key: str) -> NDArray[np.float32]:
    adata = modality(mdata, name, _WHERE)
    if key not in adata.obsm:
        fix = "run with a report (report: [html]), or `jamie report RUN` of a finished run"
        raise AbsentError(f'expected obsm["{key}"], found none', where=f"{_WHERE}, modality '{name}'", fix=fix)
    return np.asarray(adata.obsm[key], np.float32)


def _values(mdata: MuData, name: str, color: str) -> pd.Series:
    """Values of each cell of a modality: of a feature where there is one of the name and no such column."""
    adata = modality(mdata, name, _WHERE)
    if color in adata.var_names and color not in cell_annotations(mdata, name):
        return pd.Series(dense(adata[:, [color]].X).ravel(), index=adata.obs_names)
    values = column(mdata, name, color, _WHERE)
    return values if pd.api.types.is_numeric_dtype(values) else values.astype(object)


def _is_number(values: pd.Series) -> bool:
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        return False
    return bool(pd.api.types.is_float_dtype(values) or values.nunique() > _MOST_VALUES)


def _by_number(ax: Axes, points: NDArray[np.float32], values: NDArray[np.float64], name: str) -> None:
    """Draw the highest values last, so that few of them are not hidden."""
    order = np.argsort(np.nan_to_num(values, nan=-np.inf), kind="stable")
    low, high = np.nanpercentile(values, [1, 99]) if np.isfinite(values).any() else (0.0, 1.0)
    look = point_look(len(points))
    drawn = ax.scatter(
        points[order, 0],
        points[order, 1],
        c=values[order],
        cmap="cividis",
        vmin=low,
        vmax=high,
        plotnonfinite=False,
        **look,
    )
    bar = ax.figure.colorbar(drawn, ax=ax, shrink=0.7, label=name)
    bar.solids.set(alpha=1)  # type: ignore[union-attr]


def _by_label(
    ax: Axes,
    points: NDArray[np.float32],
    values: pd.Series,
    colours: dict[str, str],
    markers: dict[str, str],
    legend: bool,
) -> None:
    """Draw the cells of all labels in a random order, so that none lies on top of the others."""
    known = values.notna().to_numpy()
    names = np.where(known, values.astype(str), "")
    look, shapes = point_look(len(points)), np.array([markers.get(name, "o") for name in names])
    if not known.all():
        ax.scatter(points[~known, 0], points[~known, 1], c=UNKNOWN, label="not known", **look)
    for shape in dict.fromkeys(shapes[known]):
        rows = np.random.default_rng(0).permutation(np.flatnonzero(known & (shapes == shape)))
        ax.scatter(points[rows, 0], points[rows, 1], c=[colours[name] for name in names[rows]], marker=shape, **look)
    present = {name: colour for name, colour in colours.items() if name in set(names[known])}
    if len(present) > _MOST_NAMED:
        numbers = {name: str(i + 1) for i, name in enumerate(colours)}
        _number_groups(ax, points, names, {name: numbers[name] for name in present})
        markers = {f"{numbers[name]}  {name}": markers.get(name, "o") for name in colours}
        present = {f"{numbers[name]}  {name}": colour for name, colour in present.items()}
    if legend:
        name_colours(ax, present | ({} if known.all() else {"not known": UNKNOWN}), markers)


def _number_groups(ax: Axes, points: NDArray[np.float32], names: NDArray[np.str_], numbers: dict[str, str]) -> None:
    """Write the number of each label in the middle of its cells."""
    from matplotlib.patheffects import withStroke

    for name, number in numbers.items():
        middle = np.nanmedian(points[names == name], axis=0)
        text = ax.annotate(number, middle, ha="center", va="center", fontsize=7, fontweight="bold")
        text.set_path_effects([withStroke(linewidth=1.6, foreground="white")])
