"""UMAP of the cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.errors import DataError, MissingResultError
from jamie.core.labels import label_series, sort_labels
from jamie.core.matrix import to_dense
from jamie.core.names import DATA_LAYOUT, LATENT_LAYOUT
from jamie.core.suggest import suggest_names
from jamie.data.annotations import cell_annotations
from jamie.pl import style
from jamie.pl.results import GIVE_RESULT, all_labels, get_modality, obs_column, run_modalities

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from mudata import MuData

Basis = Literal["latents", "data"]

MODALITY = "modality"
_KEYS = {"latents": LATENT_LAYOUT, "data": DATA_LAYOUT}
_MAX_UNNUMBERED = 20  # labels; of more, colours repeat or are hard to tell apart, so they are numbered as well
_MAX_INTEGER_LABELS = 100  # distinct integers that are still taken for labels
_UNKNOWN = "not known"


@style.apply_style
def umap(
    mdata: MuData,
    color: str = MODALITY,
    modality: str | None = None,
    *,
    basis: Basis = "latents",
    ax: Axes | None = None,
) -> Axes:
    """Plot the UMAP of cells, coloured by a label, a number, a feature or their modality.

    Parameters
    ----------
    mdata
        Result of a run with a report: ``obsm["X_jamie_umap"]`` is one UMAP of the latents of all modalities,
        ``obsm["X_data_umap"]`` one of the preprocessed values of each modality.
    color
        ``modality``, a column of obs, or a feature of a modality. Cells without the label take that of their true
        partners. A label has the same colour in all modalities.
    modality
        Modality whose cells are drawn; all by default.
    basis
        ``latents``, or ``data`` for the preprocessed values of one modality.
    ax
        Axes to draw in; a new figure by default.

    Returns
    -------
    Axes
        The panel.

    Raises
    ------
    MissingResultError
        If there is no UMAP, or no column or feature of the name `color`.

    Examples
    --------
    >>> import jamie
    >>> ax = jamie.pl.umap(result, color="cell_type")
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['B', 'NK', 'T']
    """
    if basis == "data" and modality is None:
        raise DataError(
            "expected one modality, as each has its own UMAP of the data, found none",
            fix=suggest_names("", run_modalities(mdata)),
        )
    names = run_modalities(mdata) if modality is None else [modality]
    return _draw_panels(mdata, color, [names], basis, ax)[0]


@style.apply_style
def umaps(
    mdata: MuData,
    color: str,
    modalities: Sequence[str] | None = None,
    *,
    basis: Basis = "latents",
    ax: Sequence[Axes] | None = None,
) -> list[Axes]:
    """Plot a UMAP for each modality, as `umap` does, with one legend.

    Parameters
    ----------
    mdata, color, basis
        As in `umap`.
    modalities
        Modalities, one panel each; all by default.
    ax
        As many axes as modalities; a new figure by default.

    Returns
    -------
    list of Axes
        The panels.

    Raises
    ------
    MissingResultError
        If there is no UMAP, or no column or feature of the name `color`.

    Examples
    --------
    >>> import jamie
    >>> axes = jamie.pl.umaps(result, "cell_type", basis="data")
    >>> [ax.get_title() for ax in axes]
    ['rna', 'protein']
    """
    names = run_modalities(mdata) if modalities is None else modalities
    return _draw_panels(mdata, color, [[name] for name in names], basis, ax)


def _draw_panels(
    mdata: MuData, color: str, groups: Sequence[Sequence[str]], basis: Basis, ax: Axes | Sequence[Axes] | None
) -> list[Axes]:
    """Draw a panel for each group of modalities."""
    if not any(groups):
        raise MissingResultError("expected modalities with latents, found none", fix=GIVE_RESULT)
    points = [np.concatenate([_layout(mdata, m, _KEYS[basis]) for m in names]) for names in groups]
    values = [pd.concat([_values(mdata, m, color) for m in names]) for names in groups]
    if all(map(_is_number, values)):
        axes = style.panels(len(groups), ax, width=2.6, height=2.5)
        for panel, positions, numbers in zip(axes, points, values, strict=True):
            _draw_numbers(panel, positions, numbers.to_numpy(float), color)
    else:
        axes = _draw_labels(mdata, color, points, list(map(label_series, values)), ax)
    for panel, names in zip(axes, groups, strict=True):
        title = names[0] if len(names) == 1 else "all modalities"
        panel.set(xticks=[], yticks=[], xlabel="UMAP 1", ylabel="UMAP 2", title=title)
    return axes


def _layout(mdata: MuData, name: str, key: str) -> NDArray[np.float32]:
    adata = get_modality(mdata, name)
    if key not in adata.obsm:
        fix = "give the result.h5mu of a run with a report (report: [html]), or JAMIE.to_mudata(mdata, layouts=True)"
        raise MissingResultError(f'expected obsm["{key}"] of {name}, found none', fix=fix)
    return np.asarray(adata.obsm[key], np.float32)


def _values(mdata: MuData, name: str, color: str) -> pd.Series:
    """Return a value for each cell of a modality: a column of obs, or else a feature."""
    adata = get_modality(mdata, name)
    if color == MODALITY:
        return pd.Series(name, index=adata.obs_names, dtype=object)
    if color in adata.var_names and color not in cell_annotations(mdata, name):
        return pd.Series(to_dense(adata[:, [color]].X).ravel(), index=adata.obs_names)
    return obs_column(mdata, name, color)


def _is_number(values: pd.Series) -> bool:
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        return False
    return bool(pd.api.types.is_float_dtype(values) or values.nunique() > _MAX_INTEGER_LABELS)


def _draw_numbers(ax: Axes, points: NDArray[np.float32], values: NDArray[np.float64], name: str) -> None:
    """Draw the highest values last, so that they stay visible even if they are rare."""
    order = np.argsort(np.nan_to_num(values, nan=-np.inf), kind="stable")
    low, high = np.nanpercentile(values, [1, 99]) if np.isfinite(values).any() else (0.0, 1.0)
    look = style.point_style(len(points)) | {"cmap": "cividis", "vmin": low, "vmax": high}
    drawn = ax.scatter(points[order, 0], points[order, 1], c=values[order], **look)
    bar = ax.figure.colorbar(drawn, ax=ax, shrink=0.7, label=name)
    if bar.solids is not None:
        bar.solids.set(alpha=1)


def _draw_labels(
    mdata: MuData,
    color: str,
    points: Sequence[NDArray[np.float32]],
    values: Sequence[pd.Series],
    ax: Axes | Sequence[Axes] | None,
) -> list[Axes]:
    """Draw a panel for each array of points, with one legend."""
    if color == MODALITY:
        colours, markers = dict(zip(run_modalities(mdata), style.COLOURS * 3, strict=False)), {}
    else:
        labels = all_labels(mdata, color)
        colours, markers = style.label_colours(labels), style.label_markers(labels)
    names = {name: name for name in colours}
    numbers: dict[str, str] = {}
    if len(colours) > _MAX_UNNUMBERED:
        numbers = {name: str(i + 1) for i, name in enumerate(sort_labels(colours))}
        names = {name: f"{numbers[name]}  {name}" for name in colours}
    present = set(pd.concat(values).fillna(_UNKNOWN))
    legend = {names[name]: colour for name, colour in colours.items() if name in present}
    if _UNKNOWN in present:
        legend[_UNKNOWN] = style.UNLABELLED
    size = 3.5 if numbers else 2.6
    axes = style.panels(len(points), ax, width=size, height=size - 0.1, names=legend)
    for panel, positions, labels in zip(axes, points, values, strict=True):
        _draw_groups(panel, positions, labels, colours, markers)
        if numbers:
            _write_numbers(panel, positions, labels, numbers)
    style.add_legend(axes[-1], legend, {names[name]: marker for name, marker in markers.items()}, below=ax is None)
    return axes


def _draw_groups(
    ax: Axes, points: NDArray[np.float32], labels: pd.Series, colours: dict[str, str], markers: dict[str, str]
) -> None:
    """Draw the cells of all labels in a random order, so that no label hides the others."""
    from matplotlib.colors import to_rgba_array

    codes, names = pd.factorize(labels)  # a million cells have few labels
    look = style.point_style(len(points))
    if (codes < 0).any():
        ax.scatter(points[codes < 0, 0], points[codes < 0, 1], c=style.UNLABELLED, **look)
    rgba = to_rgba_array([colours[name] for name in names])
    shapes = [markers.get(name, "o") for name in names]
    for shape in dict.fromkeys(shapes):
        same = np.isin(codes, [code for code, other in enumerate(shapes) if other == shape])
        rows = np.random.default_rng(0).permutation(np.flatnonzero(same))
        ax.scatter(points[rows, 0], points[rows, 1], c=rgba[codes[rows]], marker=shape, **look)


def _write_numbers(ax: Axes, points: NDArray[np.float32], labels: pd.Series, numbers: dict[str, str]) -> None:
    """Write the number of each label at the median of its cells, the largest label first, if there is room."""
    from matplotlib.patheffects import withStroke

    codes, names = pd.factorize(labels)
    extent = np.nanmax(points, axis=0) - np.nanmin(points, axis=0)
    room = np.where(extent > 0, extent, 1) * (0.06, 0.045)
    taken: list[NDArray[np.float64]] = []
    for code in np.argsort(-np.bincount(codes[codes >= 0], minlength=len(names)), kind="stable"):
        middle = np.nanmedian(points[codes == code], axis=0)
        if not np.isfinite(middle).all() or any((abs(middle - other) < room).all() for other in taken):
            continue
        taken.append(middle)
        number = numbers[names[code]]
        text = ax.annotate(number, tuple(middle), ha="center", va="center", fontsize=7, fontweight="bold")
        text.set_path_effects([withStroke(linewidth=1.6, foreground="white")])
