"""Cells in two dimensions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.errors import DataError, MissingResultError
from jamie.core.labels import label_series
from jamie.core.matrix import to_dense
from jamie.core.names import DATA_LAYOUT, LATENT_LAYOUT
from jamie.core.suggest import suggest_names
from jamie.data.annotations import cell_annotations
from jamie.pl.results import (
    all_labels,
    column,
    modality,
    run_modalities,
)
from jamie.pl.style import (
    COLOURS,
    UNKNOWN,
    add_legend,
    apply_style,
    label_colours,
    label_markers,
    panels,
    point_style,
    sort_labels,
    without_ticks,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from mudata import MuData

Of = Literal["latents", "data"]

BY_MODALITY = "modality"
_KEYS = {"latents": LATENT_LAYOUT, "data": DATA_LAYOUT}
_MOST_NAMED = 20  # labels from which colours repeat or are hard to tell apart: these are numbered as well
_MOST_VALUES = 100  # different whole numbers that are still taken for labels
_NOT_KNOWN = "not known"
_WHERE = "umap"


@dataclass(frozen=True)
class _Key:
    """What stands for what: colour, marker and, of many labels, number."""

    colours: Mapping[str, str]
    markers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, mdata: MuData, color: str) -> _Key:
        if color == BY_MODALITY:
            return cls(dict(zip(run_modalities(mdata), COLOURS * 3, strict=False)))
        known = all_labels(mdata, color)
        return cls(label_colours(known), label_markers(known))

    @property
    def numbers(self) -> dict[str, str]:
        """Number of each label, where there are many."""
        names = sort_labels(self.colours)
        return {name: str(i + 1) for i, name in enumerate(names)} if len(names) > _MOST_NAMED else {}

    def entries(self, present: set[str]) -> tuple[dict[str, str], dict[str, str]]:
        """Colours and markers of the labels that are present, by the names of a legend."""
        shown = {name: f"{self.numbers[name]}  {name}" if self.numbers else name for name in self.colours}
        colours = {shown[name]: colour for name, colour in self.colours.items() if name in present}
        if _NOT_KNOWN in present:
            colours[_NOT_KNOWN] = UNKNOWN
        return colours, {shown[name]: marker for name, marker in self.markers.items()}


@apply_style
def umap(
    mdata: MuData, color: str = BY_MODALITY, modality: str | None = None, *, of: Of = "latents", ax: Axes | None = None
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
    ax
        Where to draw; a new figure by default.

    Raises
    ------
    MissingResultError
        Where there is no layout, or nothing of the name `color`.
    """
    if of == "data" and modality is None:
        raise DataError(
            "expected one modality, as each one's values have a layout of their own, found none",
            where=_WHERE,
            fix=suggest_names("", run_modalities(mdata)),
        )
    names = run_modalities(mdata) if modality is None else [modality]
    return _draw_all(mdata, color, [names], of, ax)[0]


@apply_style
def umaps(
    mdata: MuData,
    color: str,
    modalities: Sequence[str] | None = None,
    *,
    of: Of = "latents",
    ax: Sequence[Axes] | None = None,
) -> list[Axes]:
    """Draw a panel for each modality, as `umap` does, with one legend.

    Parameters
    ----------
    mdata, color, of
        As of `umap`.
    modalities
        All by default.
    ax
        As many axes as modalities; a new figure by default.
    """
    names = run_modalities(mdata) if modalities is None else modalities
    return _draw_all(mdata, color, [[name] for name in names], of, ax)


def _draw_all(
    mdata: MuData, color: str, groups: Sequence[Sequence[str]], of: Of, ax: Axes | Sequence[Axes] | None
) -> list[Axes]:
    """Draw a panel for each group of modalities."""
    if not any(groups):
        fix = "give the result.h5mu of a run, or what JAMIE.to_mudata returns"
        raise MissingResultError("expected modalities with latents, found none", where=_WHERE, fix=fix)
    points = [np.concatenate([_layout(mdata, m, _KEYS[of]) for m in names]) for names in groups]
    values = [pd.concat([_values(mdata, m, color) for m in names]) for names in groups]
    numbers = all(_is_number(one) for one in values)
    values = values if numbers else [label_series(one) for one in values]
    key = _Key({}) if numbers else _Key.of(mdata, color)
    present = set() if numbers else set(pd.concat(values).fillna(_NOT_KNOWN))
    colours, markers = key.entries(present)
    size = 3.5 if key.numbers else 2.6
    axes = panels(len(groups), ax, width=size, height=size - 0.1, names=colours)
    for one, names, place, value in zip(axes, groups, points, values, strict=True):
        if numbers:
            _by_number(one, place, value.to_numpy(float), color)
        else:
            _by_label(one, place, value, key)
        without_ticks(one)
        one.set(xlabel="UMAP 1", ylabel="UMAP 2", title=names[0] if len(names) == 1 else "all modalities")
    if colours:
        add_legend(axes[-1], colours, markers, below=ax is None)
    return axes


def _layout(mdata: MuData, name: str, key: str) -> NDArray[np.float32]:
    adata = modality(mdata, name, _WHERE)
    if key not in adata.obsm:
        fix = "give the result.h5mu of a run with a report (report: [html]), or JAMIE.to_mudata(mdata, layouts=True)"
        raise MissingResultError(f'expected obsm["{key}"], found none', where=f"{_WHERE}, modality '{name}'", fix=fix)
    return np.asarray(adata.obsm[key], np.float32)


def _values(mdata: MuData, name: str, color: str) -> pd.Series:
    """Values of each cell of a modality: of a feature where there is one of the name and no such column."""
    adata = modality(mdata, name, _WHERE)
    if color == BY_MODALITY:
        return pd.Series(name, index=adata.obs_names, dtype=object)
    if color in adata.var_names and color not in cell_annotations(mdata, name):
        return pd.Series(to_dense(adata[:, [color]].X).ravel(), index=adata.obs_names)
    return column(mdata, name, color, _WHERE)


def _is_number(values: pd.Series) -> bool:
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        return False
    return bool(pd.api.types.is_float_dtype(values) or values.nunique() > _MOST_VALUES)


def _by_number(ax: Axes, points: NDArray[np.float32], values: NDArray[np.float64], name: str) -> None:
    """Draw the highest values last, so that few of them are not hidden."""
    order = np.argsort(np.nan_to_num(values, nan=-np.inf), kind="stable")
    low, high = np.nanpercentile(values, [1, 99]) if np.isfinite(values).any() else (0.0, 1.0)
    look = point_style(len(points)) | {"cmap": "cividis", "vmin": low, "vmax": high}
    drawn = ax.scatter(points[order, 0], points[order, 1], c=values[order], **look)
    bar = ax.figure.colorbar(drawn, ax=ax, shrink=0.7, label=name)
    if bar.solids is not None:
        bar.solids.set(alpha=1)


def _by_label(ax: Axes, points: NDArray[np.float32], values: pd.Series, key: _Key) -> None:
    """Draw the cells of all labels in a random order, so that none lies on top of the others."""
    from matplotlib.colors import to_rgba_array

    codes, found = pd.factorize(values)  # a million cells have few labels
    known, names = codes >= 0, [str(name) for name in found]
    look = point_style(len(points))
    if not known.all():
        ax.scatter(points[~known, 0], points[~known, 1], c=UNKNOWN, **look)
    shapes = [key.markers.get(name, "o") for name in names]
    colours = to_rgba_array([key.colours[name] for name in names])
    for shape in dict.fromkeys(shapes):
        alike = np.isin(codes, [i for i, one in enumerate(shapes) if one == shape])
        rows = np.random.default_rng(0).permutation(np.flatnonzero(alike))
        ax.scatter(points[rows, 0], points[rows, 1], c=colours[codes[rows]], marker=shape, **look)
    if key.numbers:
        _number_groups(ax, points, codes, [key.numbers[name] for name in names])


def _number_groups(ax: Axes, points: NDArray[np.float32], codes: NDArray[np.intp], numbers: Sequence[str]) -> None:
    """Write its number in the middle of the cells of each label, the largest first, where there is room for it."""
    from matplotlib.patheffects import withStroke

    extent = np.nanmax(points, axis=0) - np.nanmin(points, axis=0)
    room = np.where(extent > 0, extent, 1) * (0.06, 0.045)
    taken: list[NDArray[np.float64]] = []
    for code in np.argsort(-np.bincount(codes[codes >= 0], minlength=len(numbers)), kind="stable"):
        middle = np.nanmedian(points[codes == code], axis=0)
        if not np.isfinite(middle).all() or any((abs(middle - one) < room).all() for one in taken):
            continue
        taken.append(middle)
        text = ax.annotate(numbers[code], tuple(middle), ha="center", va="center", fontsize=7, fontweight="bold")
        text.set_path_effects([withStroke(linewidth=1.6, foreground="white")])
