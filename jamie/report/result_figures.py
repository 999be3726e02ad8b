"""Figures of the results of a run, with their captions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from itertools import combinations
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from jamie import pl
from jamie.core.errors import MissingResultError
from jamie.core.interfaces import Figure
from jamie.core.interfaces.figure import FigurePlan
from jamie.core.labels import sort_labels
from jamie.metrics.scopes import PREFERRED
from jamie.pl.alignment import alignment_scores
from jamie.pl.correspondence import CHANCE, CONFIDENCE, TRUE_PARTNERS, correspondence_panels
from jamie.pl.evaluation_cells import evaluation_cells
from jamie.pl.feature_scatter import feature_scores, higher_is_better
from jamie.pl.measured_and_imputed import best_features
from jamie.pl.results import all_labels, methods_using_labels, run_modalities
from jamie.pl.style import add_legend, apply_style, label_colours, panels
from jamie.runs.run import Run
from jamie.runs.umap_coordinates import MOST_CELLS

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from mudata import MuData

    Draw: TypeAlias = Callable[[], Axes | Sequence[Axes]]

MAX_MODALITIES = 6
MAX_DIRECTIONS = 12  # between four modalities
MAX_LABELS = 3  # columns of obs that colour the embedding
_PARTNERS = {
    CONFIDENCE: "confidence of each cell's best partner (1 for a known pair)",
    TRUE_PARTNERS: "fraction of cells whose true partner is among the best matches; the diagonal is chance",
    CHANCE: "how often the best match is right, compared with chance",
}
_CELLS = "Of held-out cells if there are any."


class EmbeddingFigures(Figure):
    """UMAP of each modality and of the latents, coloured by label and by modality."""

    name: ClassVar[str] = "umaps"

    def _plans(self, run: Run) -> Iterator[FigurePlan]:
        return _embedding(run, run_modalities(run.mdata)[:MAX_MODALITIES])


class AlignmentFigures(Figure):
    """Label transfer against FOSCTTM, a point for each method, of each two modalities."""

    name: ClassVar[str] = "alignment"

    def _plans(self, run: Run) -> Iterator[FigurePlan]:
        caption = (
            "Label-transfer accuracy against the fraction of samples closer than the true match (FOSCTTM), a point for "
            "each method, a panel for each set of cells that was scored. The upper left is best. Hollow: methods that "
            "use the labels."
        )
        for a, b in combinations(run_modalities(run.mdata)[:MAX_MODALITIES], 2):
            draw = partial(_draw_alignment, run, a, b)
            yield FigurePlan(_name("alignment", a, b), "scores", f"Alignment of {a} and {b}", caption, draw)


class ImputationFigures(Figure):
    """Imputed values of each direction: similarity, features, cells, intervals and imputability."""

    name: ClassVar[str] = "imputation"

    def _plans(self, run: Run) -> Iterator[FigurePlan]:
        read = lru_cache(maxsize=1)(partial(_read_imputed, run))  # may take gigabytes, and several in a row use it
        pairs = combinations(run_modalities(run.mdata), 2)
        directions = [direction for a, b in pairs for direction in ((a, b), (b, a))]
        for source, target in directions[:MAX_DIRECTIONS]:
            yield from _imputation(run, source, target, partial(read, source, target))


class CorrespondenceFigure(Figure):
    """How good inferred partners are."""

    name: ClassVar[str] = "correspondence"

    def _plans(self, run: Run) -> Iterator[FigurePlan]:
        return _correspondence(run)


class LossesFigure(Figure):
    """Loss by epoch: the weighted sum, a line for each member of the ensemble, and each term."""

    name: ClassVar[str] = "losses"

    def _plans(self, run: Run) -> Iterator[FigurePlan]:
        caption = (
            "Loss by epoch: the weighted sum, a line for each member of the ensemble, on training and validation "
            "cells; and each term. Points: the epoch whose networks were kept."
        )
        yield FigurePlan("losses", "training", "Losses", caption, partial(pl.losses, run.mdata))


class UsageFigure(Figure):
    """Wall-clock time and peak memory of each stage and method."""

    name: ClassVar[str] = "usage"

    def _plans(self, run: Run) -> Iterator[FigurePlan]:
        caption = "Wall-clock time and peak memory of the process, including libraries and data."
        yield FigurePlan("usage", "training", "Time and memory", caption, partial(pl.usage, run.mdata))


def _embedding(run: Run, modalities: Sequence[str]) -> Iterator[FigurePlan]:
    sampled = any(adata.n_obs > MOST_CELLS for adata in run.mdata.mod.values())
    cells = f" A random sample of {MOST_CELLS:,} cells is shown." if sampled else ""
    for label in run.spec.labels[:MAX_LABELS]:
        draw = partial(pl.umaps, run.mdata, label, modalities)
        caption = f"UMAP of the preprocessed values of each modality, coloured by {label}.{cells}"
        title = f"Cells by their own values, by {label}"
        yield FigurePlan(_name("umap", "data", label), "embedding", title, caption, partial(draw, basis="data"))
        caption = f"One UMAP of the latents of all modalities, a panel for each modality, coloured by {label}.{cells}"
        title = f"Cells in the latent space, by {label}"
        yield FigurePlan(_name("umap", "latents", label), "embedding", title, caption, draw)
    caption = f"UMAP of the latents of all modalities, coloured by modality: well mixed if they are aligned.{cells}"
    title = "Cells in the latent space, by modality"
    yield FigurePlan("umap_latents_modality", "embedding", title, caption, partial(pl.umap, run.mdata))


def _imputation(run: Run, source: str, target: str, read: Callable[[], AnnData]) -> Iterator[FigurePlan]:
    def plan(kind: str, section: str, title: str, caption: str, draw: Draw) -> FigurePlan:
        return FigurePlan(_name(kind, source, target), section, title, caption, draw)

    what = f"{target} from {source}"
    caption = (
        "Cumulative distribution over features of 1 - JS distance of measured and imputed values, a line for each "
        "label with at least 10 scored cells; black: mean of the labels; dashed: that of the best other method. "
        "Further right is better."
    )
    draw: Draw = partial(_draw_similarity, run, source, target)
    yield plan("similarity", "imputation", f"Similarity of imputed {what}", caption, draw)
    caption = (
        f"Score of each feature by {run.model_name} against other methods; the dashed line is equality. The numbers "
        f"count the features on each side; p is that of the two-tailed binomial test. {_CELLS}"
    )
    draw = partial(_draw_features, run, source, target)
    yield plan("features", "imputation", f"Features of {what}, method against method", caption, draw)
    caption = (
        f"Measured (above) and imputed values (below) of the features that are imputed best, by label. {_CELLS} Boxes: "
        "quartiles and median; whiskers: 1.5 times the interquartile range."
    )
    draw = partial(_draw_imputed, pl.measured_and_imputed, run, read)
    yield plan("boxes", "imputation", f"Measured and imputed {what}", caption, draw)
    caption = (
        f"Correlation over features of measured and imputed values of each cell, by {run.model_name} against another "
        f"method; then measured and imputed values of the features that are imputed best. {_CELLS}"
    )
    yield plan("cells", "imputation", f"Cells of {what}", caption, partial(_draw_cells, run, read))
    caption = (
        "Fraction of measured values in the prediction intervals of imputed values: against the nominal level, and for "
        f"each feature; and half the width of the intervals of each feature against its error. {_CELLS}"
    )
    draw = partial(_draw_imputed, pl.calibration, run, read)
    yield plan("calibration", "uncertainty", f"Prediction intervals of {what}", caption, draw)
    caption = (
        "Imputability of each feature, the correlation of measured and imputed values in calibration cells, against "
        "its variance."
    )
    draw = partial(pl.imputability, run.mdata, source, target)
    yield plan("imputability", "uncertainty", f"Imputability of {what}", caption, draw)


def _correspondence(run: Run) -> Iterator[FigurePlan]:
    parts = [_PARTNERS[panel] for panel in correspondence_panels(run.mdata)]
    if parts:
        caption = "; ".join(parts) + "."
        draw = partial(pl.correspondence, run.mdata)
        title = "Inferred partners"
        yield FigurePlan("correspondence", "correspondence", title, caption[0].upper() + caption[1:], draw)


@apply_style
def _draw_alignment(run: Run, a: str, b: str) -> list[Axes]:
    """Draw a panel for each scope that has both scores."""
    scopes = []
    for scope in PREFERRED:
        with suppress(MissingResultError):
            alignment_scores(run.mdata, a, b, scope)
            scopes.append(scope)
    if not scopes:
        raise MissingResultError("expected both scores of alignment, found none")
    axes = panels(len(scopes), None, width=3.0, height=2.9, columns=2 if len(scopes) == 4 else 3)
    for scope, ax in zip(scopes, axes, strict=True):
        pl.alignment(run.mdata, a, b, scope=scope, ax=ax)
        ax.set_title(scope.replace("_", " "))
    return axes


def _draw_similarity(run: Run, source: str, target: str) -> Axes:
    others = _other_methods(run, source, target, "js_distance")
    return pl.similarity(run.mdata, source, target, against=others[0] if others else None)


@apply_style
def _draw_features(run: Run, source: str, target: str) -> list[Axes]:
    """Draw the scores against those of the best other method, and of k nearest neighbors as in the JAMIE paper."""
    pairs = []
    for metric in ("pearson", "auroc"):
        others = _other_methods(run, source, target, metric)
        if others:
            pairs += [(metric, name) for name in dict.fromkeys(("knn" if "knn" in others else others[-1], others[0]))]
    if not pairs:
        raise MissingResultError("expected scores of features by two methods, found none")
    axes = panels(len(pairs), None, width=2.5, height=2.7, columns=2 if len(pairs) == 4 else 3)
    for (metric, name), ax in zip(pairs, axes, strict=True):
        pl.feature_scatter(run.mdata, source, target, metric, name, ax=ax)
    return axes


@apply_style
def _draw_cells(run: Run, read: Callable[[], AnnData]) -> list[Axes]:
    """Draw the cells by the model and the best other method, if there is one, and two features."""
    imputed = read()
    cells = evaluation_cells(run.mdata, imputed)
    others = [name for name in _other_methods(run, cells.source, cells.target, "pearson") if name in imputed.layers]
    settings = [{"against": name} for name in others[:1]]
    settings += [{"feature": name} for name in best_features(run.mdata, cells, 2)]
    labels = sort_labels(all_labels(run.mdata, run.spec.labels[0])) if run.spec.labels else []
    axes = panels(len(settings), None, width=2.6, height=2.8, names=labels)
    for setting, ax in zip(settings, axes, strict=True):
        pl.cell_scatter(run.mdata, imputed, legend=False, ax=ax, **setting)
    if labels:
        add_legend(axes[-1], label_colours(labels), below=True)
    return axes


def _draw_imputed(draw: Callable[[MuData, AnnData], list[Axes]], run: Run, read: Callable[[], AnnData]) -> list[Axes]:
    return draw(run.mdata, read())


def _read_imputed(run: Run, source: str, target: str) -> AnnData:
    imputed = run.find_imputed(source, target)
    if imputed is None:
        problem = "expected imputed values, which the run did not write"
        raise MissingResultError(problem, where="figures", fix="impute them with `jamie impute`")
    return imputed


def _other_methods(run: Run, source: str, target: str, metric: str) -> list[str]:
    """Return the other methods whose features a metric has scored, the best first, without those that use labels."""
    try:
        rows = feature_scores(run.mdata, source, target, metric)
    except MissingResultError:
        return []
    means = (
        rows[~rows["method"].isin({run.model_name, *methods_using_labels(run.mdata)})].groupby("method")[metric].mean()
    )
    return [str(name) for name in means.sort_values(ascending=not higher_is_better(run.mdata, metric)).index]


def _name(kind: str, *parts: str) -> str:
    return "_".join((kind, *parts)).replace("/", "_")
