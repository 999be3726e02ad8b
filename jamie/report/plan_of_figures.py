"""Which figures a run may have, and what is said below each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pandas as pd

from jamie import pl
from jamie.core.errors import MissingResultError
from jamie.core.names import MODEL_NAME, UNS_KEY
from jamie.metrics.scopes import PREFERRED
from jamie.pl.alignment import alignment_scores
from jamie.pl.correspondence import BESIDE_CHANCE, CONFIDENCE, TRUE_PARTNERS, correspondence_panels
from jamie.pl.evaluation_cells import evaluation_cells
from jamie.pl.feature_scatter import feature_scores, higher_is_better
from jamie.pl.measured_and_imputed import best_features
from jamie.pl.results import (
    all_labels,
    directions,
    methods_using_labels,
    run_modalities,
)
from jamie.pl.style import add_legend, apply_style, get_figure, label_colours, panels, sort_labels
from jamie.runs.layouts import MOST_CELLS
from jamie.runs.run_view import RunView

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.figure import Figure
    from mudata import MuData

    Read = Callable[[], AnnData | None]

MOST_PANELS = 6
MOST_DIRECTIONS = 12  # between four modalities
MOST_LABELS = 3  # columns of obs by which the embedding is coloured
_PARTNERS = {
    CONFIDENCE: "confidence of each cell's best partner (1 for a known pair)",
    TRUE_PARTNERS: "the fraction of cells whose true partner is among the best matches, the diagonal being chance",
    BESIDE_CHANCE: "how often the best match is right, beside chance",
}
_HELD_OUT = "of the cells held out, where any are"


@dataclass(frozen=True)
class Planned:
    """A figure that a run may have.

    Parameters
    ----------
    name, section, title, caption
        As of `jamie.report.figures.Drawn`.
    draw
        Draws it; raises `MissingResultError` where there is nothing to show.
    """

    name: str
    section: str
    title: str
    caption: str
    draw: Callable[[], Figure]


def planned(view: RunView) -> Iterator[Planned]:
    """Plan the figures of a run, whether or not its data allow them."""
    imputed = lru_cache(maxsize=1)(view.imputed)  # may take gigabytes, and several figures in a row are of the same
    yield from _embedding(view)
    yield from _scores(view)
    for source, target in directions(view.mdata)[:MOST_DIRECTIONS]:
        read = partial(imputed, source, target)
        yield from _imputation(view, source, target, read)
        yield from _trust(view, source, target, read)
    yield from _correspondence(view)
    yield from _training(view)


def _embedding(view: RunView) -> Iterator[Planned]:
    names = run_modalities(view.mdata)[:MOST_PANELS]
    sample = any(a.n_obs > MOST_CELLS for a in view.mdata.mod.values())
    said = f" A sample of {MOST_CELLS} cells stands for all." if sample else ""
    for label in view.spec.labels[:MOST_LABELS]:
        for of, title, caption in (
            ("data", "Cells by their own values", "UMAP of the preprocessed values of each modality by itself"),
            ("latents", "Cells in the latent space", "One UMAP of the latents of all modalities, a panel for each"),
        ):
            draw = partial(_of_axes, pl.umaps, view.mdata, label, names, of=of)
            text = f"{caption}, coloured by {label}.{said}"
            yield Planned(_name("umap", of, label), "embedding", f"{title}, by {label}", text, draw)
    caption = f"UMAP of the latents of all modalities, coloured by modality: well mixed where they are aligned.{said}"
    draw = partial(_of_axes, pl.umap, view.mdata)
    yield Planned("umap_latents_modality", "embedding", "Cells in the latent space, by modality", caption, draw)


def _scores(view: RunView) -> Iterator[Planned]:
    for a, b in combinations(run_modalities(view.mdata)[:MOST_PANELS], 2):
        caption = (
            f"Each method by how many samples of {a} and {b} are closer than the true match (FOSCTTM), and how often "
            "the type of a cell is found among its neighbours of the other modality. A panel for each set of cells "
            "that was scored. Hollow: methods that use the labels."
        )
        draw = partial(_alignments, view, a, b)
        yield Planned(_name("alignment", a, b), "scores", f"Alignment of {a} and {b}", caption, draw)


def _imputation(view: RunView, source: str, target: str, read: Read) -> Iterator[Planned]:
    mdata, ends, of = view.mdata, (source, target), f"{target} from {source}"
    caption = (
        "Cumulative distribution over features of 1 - JS distance of measured and imputed values, a line for each type "
        "with at least 10 cells that were scored; black: mean of the types; dashed: that of the best other method. "
        "Further right is better."
    )
    draw = partial(_similarity, view, *ends)
    yield Planned(_name("similarity", *ends), "imputation", f"Similarity of imputed {of}", caption, draw)
    caption = (
        "Score of each feature by jamie against other methods, with the line on which both are equal. The numbers "
        f"count the features on each side; p is of the two-tailed binomial test; {_HELD_OUT}."
    )
    draw = partial(_feature_scatters, view, *ends)
    yield Planned(_name("features", *ends), "imputation", f"Features of {of}, method against method", caption, draw)
    caption = (
        f"Measured (above) and imputed values (below) of the features that were imputed best, by type; {_HELD_OUT}. "
        "Boxes: quartiles and median; whiskers: 1.5 times the interquartile range."
    )
    draw = partial(_of_imputed, pl.measured_and_imputed, mdata, read)
    yield Planned(_name("boxes", *ends), "imputation", f"Measured and imputed {of}", caption, draw)
    caption = (
        f"Correlation over the features of each cell, by jamie against another method; {_HELD_OUT}. Then measured and "
        "imputed values of the features that were imputed best, cell by cell."
    )
    draw = partial(_cell_scatters, view, read)
    yield Planned(_name("cells", *ends), "imputation", f"Cells of {of}", caption, draw)


def _trust(view: RunView, source: str, target: str, read: Read) -> Iterator[Planned]:
    of = f"{target} from {source}"
    caption = (
        f"How many measured values lie in the intervals of imputed ones, {_HELD_OUT}: against the nominal level; of "
        "each feature; and half the width of the intervals of each feature against its error."
    )
    draw = partial(_of_imputed, pl.calibration, view.mdata, read)
    yield Planned(_name("calibration", source, target), "trust", f"Intervals of {of}", caption, draw)
    caption = (
        "Imputability, the correlation of measured and imputed values in training cells that were set aside, of each "
        "feature against its variance."
    )
    draw = partial(_of_axes, pl.imputability, view.mdata, source, target)
    yield Planned(_name("imputability", source, target), "trust", f"Which {of} can be imputed", caption, draw)


def _correspondence(view: RunView) -> Iterator[Planned]:
    parts = [_PARTNERS[panel] for panel in correspondence_panels(view.mdata)]
    if not parts:
        return
    caption = "; ".join(parts) + "."
    caption = caption[0].upper() + caption[1:]
    draw = partial(_of_axes, pl.correspondence, view.mdata)
    yield Planned("correspondence", "correspondence", "Inferred partners", caption, draw)


def _training(view: RunView) -> Iterator[Planned]:
    caption = (
        "Loss of each epoch: the weighted sum, a line for each member of the ensemble, also of the cells that were set "
        "aside; and each term by itself. Points: the epoch whose networks were kept."
    )
    yield Planned("losses", "training", "Losses", caption, partial(_of_axes, pl.losses, view.mdata))
    caption = "Wall-clock time and peak memory of the process, libraries and data among it."
    yield Planned("usage", "training", "Time and memory", caption, partial(_of_axes, pl.usage, view.mdata))


@apply_style
def _alignments(view: RunView, a: str, b: str) -> Figure:
    """Draw a panel for each scope in which there are both scores."""
    metrics = view.mdata.uns[UNS_KEY].get("metrics", pd.DataFrame())
    scopes = [one for one in PREFERRED if len(metrics) and _allowed(alignment_scores, view.mdata, a, b, one)]
    if not scopes:
        raise MissingResultError("expected both scores of alignment, found none", where="alignment")
    axes = panels(len(scopes), None, width=3.0, height=2.9, columns=2 if len(scopes) == 4 else 3)
    for scope, ax in zip(scopes, axes, strict=True):
        pl.alignment(view.mdata, a, b, scope=scope, ax=ax)
        ax.set_title(scope.replace("_", " "))
    return get_figure(axes)


def _similarity(view: RunView, source: str, target: str) -> Figure:
    others = _others(view, source, target, "js_distance")
    return _of_axes(pl.similarity, view.mdata, source, target, against=others[0] if others else None)


@apply_style
def _feature_scatters(view: RunView, source: str, target: str) -> Figure:
    """Draw each metric of features against the best other method, and against k nearest neighbours as in the paper."""
    drawn = []
    for metric in ("pearson", "auroc"):
        others = _others(view, source, target, metric)
        if others:
            drawn += [(metric, name) for name in dict.fromkeys(("knn" if "knn" in others else others[-1], others[0]))]
    if not drawn:
        raise MissingResultError("expected scores of features by two methods, found none", where="features")
    axes = panels(len(drawn), None, width=2.5, height=2.7, columns=2 if len(drawn) == 4 else 3)
    for (metric, name), ax in zip(drawn, axes, strict=True):
        pl.feature_scatter(view.mdata, source, target, metric, name, ax=ax)
    return get_figure(axes)


@apply_style
def _cell_scatters(view: RunView, read: Read) -> Figure:
    """Draw cells against another method, where there is one, and two features."""
    imputed = _require(read)
    cells = evaluation_cells(view.mdata, imputed, "cells")
    others = [name for name in _others(view, cells.source, cells.target, "pearson") if name in imputed.layers]
    best = best_features(view.mdata, cells, 2)
    drawn = [{"against": name} for name in others[:1]] + [{"feature": name} for name in best]
    labels = sort_labels(all_labels(view.mdata, view.spec.labels[0])) if view.spec.labels else []
    axes = panels(len(drawn), None, width=2.6, height=2.8, names=labels)
    for settings, ax in zip(drawn, axes, strict=True):
        pl.cell_scatter(view.mdata, imputed, legend=False, ax=ax, **settings)
    if labels:
        add_legend(axes[-1], label_colours(labels), below=True)
    return get_figure(axes)


def _others(view: RunView, source: str, target: str, metric: str) -> list[str]:
    """Other methods whose features a metric has scored, the best first; those that use the labels are left out."""
    try:
        rows = feature_scores(view.mdata, source, target, metric)
    except MissingResultError:
        return []
    means = rows[~rows["method"].isin({MODEL_NAME, *methods_using_labels(view.mdata)})].groupby("method")[metric].mean()
    return [str(name) for name in means.sort_values(ascending=not higher_is_better(view.mdata, metric)).index]


def _allowed(draw: Callable[..., Any], *args: Any) -> bool:
    try:
        draw(*args)
    except MissingResultError:
        return False
    return True


def _name(kind: str, *of: str) -> str:
    return "_".join((kind, *of)).replace("/", "_")


def _of_imputed(draw: Callable[..., Any], mdata: MuData, read: Read) -> Figure:
    return _of_axes(draw, mdata, _require(read))


def _require(read: Read) -> AnnData:
    imputed = read()
    if imputed is None:
        fix = "impute them with `jamie impute`"
        raise MissingResultError("expected imputed values, which the run did not write", where="figures", fix=fix)
    return imputed


def _of_axes(draw: Callable[..., Any], *args: Any, **settings: Any) -> Figure:
    """Return the figure that a function of `jamie.pl` draws in."""
    return get_figure(draw(*args, **settings))
