"""Layouts in two dimensions, to look at: of each modality's own values, and of all latents together."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jamie.core.context import Context
from jamie.core.names import DATA_LAYOUT, EMBEDDING, LATENT_LAYOUT
from jamie.core.resources import keep_torch_threads
from jamie.correspondence.graphs.neighbors import nearest
from jamie.model.query import Query

if TYPE_CHECKING:
    from mudata import MuData

    from jamie.runs.run import Run

MOST_CELLS = 50_000  # of one layout; of more, a sample stands for all
FEWEST_CELLS = 20  # from which UMAP's neighbours mean anything
STAGE = "layout"
_NEIGHBORS, _SPREAD, _EPOCHS = 15, 0.3, 200
_SPECTRAL = 10_000  # cells from which the spectral start takes longer than all the rest

Layouts = dict[str, dict[str, NDArray[np.float32]]]

log = logging.getLogger(__name__)


def layouts_of(
    scores: Mapping[str, NDArray[np.floating]], latents: Mapping[str, NDArray[np.floating]], context: Context
) -> Layouts:
    """Lay out the preprocessed values of each modality, and the latents of all modalities in one.

    Parameters
    ----------
    scores
        (n_m, d_m) preprocessed values; modalities that are left out get no layout of their own.
    latents
        (n_m, L) of the modalities that are laid out together; may be empty.
    context
        Its seed decides the layout.

    Returns
    -------
    dict
        By key of `obsm`, (n_m, 2) of each modality; NaN for cells that are not in the sample where there are too many.
    """
    found: Layouts = {DATA_LAYOUT: {m: flat(x, context, f"the values of {m}") for m, x in scores.items()}}
    if latents:
        together = flat(np.concatenate(list(latents.values())), context, "the latents")
        ends = np.cumsum([len(z) for z in latents.values()])[:-1]
        found[LATENT_LAYOUT] = dict(zip(latents, np.split(together, ends), strict=True))
    return found


def flat(X: NDArray[np.floating], context: Context, what: str = "the values") -> NDArray[np.float32]:
    """(n, 2) layout of values (n, d): themselves where d is 1 or 2, else UMAP; of very few cells two components.

    Parameters
    ----------
    X
        Rows that are not finite get none.
    context
        Its seed decides the layout.
    what
        For the notice that a sample stands for all.
    """
    placed = np.full((len(X), 2), np.nan, np.float32)
    rows = np.flatnonzero(np.isfinite(X).all(axis=1))
    if len(rows) > MOST_CELLS:
        log.info("UMAP of %s: of a sample of %d of %d cells", what, MOST_CELLS, len(rows))
        rows = np.sort(context.for_stage(STAGE).generator().choice(rows, MOST_CELLS, replace=False))
    values = np.asarray(X[rows], np.float32)
    if values.shape[1] <= 2:
        placed[rows] = np.pad(values, ((0, 0), (0, 2 - values.shape[1])))
    elif len(rows) < FEWEST_CELLS:
        placed[rows] = _two_components(values)
    else:
        placed[rows] = _umap(values, context.seed)
    return placed


def add_missing_layouts(run: Run) -> None:
    """Add layouts to the cells of a run that made none, because it had no report."""
    mdata = run.mdata
    embedded = [m for m, adata in mdata.mod.items() if EMBEDDING in adata.obsm]
    without = [m for m in embedded if DATA_LAYOUT not in mdata.mod[m].obsm]
    if not without and all(LATENT_LAYOUT in mdata.mod[m].obsm for m in embedded):
        return
    context = Context(seed=run.spec.seed)
    log.info("%s: laying out the cells, as the run had no report", run.path)
    scores = {m: Query.from_mudata(run.model, m, mdata, context).read().scores for m in without}
    _complete_layouts(mdata, scores, context)


def _complete_layouts(mdata: MuData, scores: Mapping[str, NDArray[np.floating]], context: Context) -> None:
    """Add to a MuData with latents the layouts that it lacks; `scores` are the preprocessed values of those without."""
    latents = {m: np.asarray(a.obsm[EMBEDDING]) for m, a in mdata.mod.items() if EMBEDDING in a.obsm}
    if all(LATENT_LAYOUT in mdata.mod[m].obsm for m in latents):
        latents = {}
    for key, layouts in layouts_of(scores, latents, context).items():
        for m, layout in layouts.items():
            mdata.mod[m].obsm[key] = layout


@keep_torch_threads()
def _umap(values: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """UMAP of neighbours that are found beforehand: umap's own search spends seconds on its compilation."""
    from umap import UMAP

    neighbors, distances = nearest(values, values, _NEIGHBORS, seed=seed)
    start = "spectral" if len(values) < _SPECTRAL else "pca"
    reducer = UMAP(
        n_neighbors=_NEIGHBORS,
        min_dist=_SPREAD,
        n_epochs=_EPOCHS,
        init=start,
        precomputed_knn=(neighbors, distances, None),
        random_state=seed % 2**32,
        n_jobs=1,
    )
    with warnings.catch_warnings():  # that new cells cannot be added to such a layout
        warnings.simplefilter("ignore", UserWarning)
        return np.asarray(reducer.fit_transform(values), np.float32)


def _two_components(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Principal components (n, 2); zeros where there are fewer."""
    if not len(values):
        return np.empty((0, 2), np.float32)
    left, scale, _ = np.linalg.svd(values - values.mean(axis=0), full_matrices=False)
    components = (left * scale)[:, :2]
    return np.pad(components, ((0, 0), (0, 2 - components.shape[1]))).astype(np.float32)
