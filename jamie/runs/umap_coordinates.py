"""Cells in two dimensions by UMAP: of each modality's own values, and of all latents together."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jamie.core.context import Context
from jamie.core.errors import OutputError
from jamie.core.names import DATA_LAYOUT, LATENT_LAYOUT, SPLIT, embedding_key
from jamie.correspondence.graphs.neighbors import neighbor_graph
from jamie.model.query import Query

if TYPE_CHECKING:
    from jamie.runs.run import Run

MOST_CELLS = 50_000  # of one layout; of more, a sample stands for all
FEWEST_CELLS = 20  # from which UMAP's neighbours mean anything
STAGE = "layout"
_NEIGHBORS, _SPREAD, _EPOCHS = 15, 0.3, 200
_EXTENT = 10.0  # largest coordinate at the start

Layouts = dict[str, dict[str, NDArray[np.float32]]]

log = logging.getLogger(__name__)


def compute_layouts(
    scores: Mapping[str, NDArray[np.floating]], latents: Mapping[str, NDArray[np.floating]], context: Context
) -> Layouts:
    """Place the cells of each modality by their preprocessed values, and those of all modalities by their latents.

    Parameters
    ----------
    scores
        (n_m, d_m) preprocessed values; absent modalities get no layout of their own.
    latents
        (n_m, L) of the modalities that share one layout; may be empty.
    context
        Its seed makes the layout reproducible.

    Returns
    -------
    dict
        By key of `obsm`, (n_m, 2) of each modality; NaN for cells outside the sample that stands for too many cells.
    """
    layouts: Layouts = {
        DATA_LAYOUT: {m: place_in_two_dimensions(x, context, f"the values of {m}") for m, x in scores.items()}
    }
    if latents:
        together = place_in_two_dimensions(np.concatenate(list(latents.values())), context, "the latents")
        ends = np.cumsum([len(z) for z in latents.values()])[:-1]
        layouts[LATENT_LAYOUT] = dict(zip(latents, np.split(together, ends), strict=True))
    return layouts


def place_in_two_dimensions(X: NDArray[np.floating], context: Context, what: str = "the values") -> NDArray[np.float32]:
    """Return (n, 2) coordinates: the values (n, d) themselves if d < 3, components of few cells, else UMAP.

    Parameters
    ----------
    X
        Rows that are not finite get NaN.
    context
        Its seed makes the layout reproducible.
    what
        Name of the values in messages.
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
    """Add layouts to the cells of a run that computed none, because it had no report."""
    modalities, key = run.mdata.mod, embedding_key(run.model_name)
    used = [m for m, adata in modalities.items() if SPLIT in adata.obs]
    embedded = [m for m in used if key in modalities[m].obsm]
    without_data = [m for m in used if DATA_LAYOUT not in modalities[m].obsm]
    without_latent = any(LATENT_LAYOUT not in modalities[m].obsm for m in embedded)
    if not without_data and not without_latent:
        return
    context = Context(seed=run.spec.seed)
    log.info("%s: computing layouts of the cells, as the run had no report", run.path)
    scores = {}
    try:
        scores = {m: Query.from_mudata(run.model, m, run.mdata, context).read().scores for m in without_data}
    except OutputError as error:  # as of a model whose files are not to be read here
        log.warning("without layouts of the cells by their own values: %s", error)
    latents = {m: np.asarray(modalities[m].obsm[key]) for m in embedded if without_latent}
    for name, layouts in compute_layouts(scores, latents, context).items():
        for m, layout in layouts.items():
            modalities[m].obsm[name] = layout


def _umap(values: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """UMAP (McInnes et al. 2018) from the exact neighbors, by umappp, which needs no compilation at its first use.

    It starts with eigenvectors of the graph of neighbors or, if that has several parts, with principal components.
    """
    import knncolle
    import scranpy

    graph = neighbor_graph(values, _NEIGHBORS, seed=seed)
    neighbors = knncolle.FindKnnResults(
        graph.indices.reshape(-1, _NEIGHBORS).astype(np.uint32), graph.data.reshape(-1, _NEIGHBORS)
    )
    start = _two_components(values).astype(np.float64)
    start *= _EXTENT / max(np.abs(start).max(), 1e-12)
    placed = scranpy.run_umap(
        neighbors,
        min_dist=_SPREAD,
        num_epochs=_EPOCHS,
        initial_coordinates=start,
        initialize_random_on_spectral_fail=False,
        initialize_spectral_scale=_EXTENT,
        optimize_seed=seed % 2**32,
    )
    return np.asarray(placed, np.float32)


def _two_components(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Principal components (n, 2); zeros where there are fewer."""
    if not len(values):
        return np.empty((0, 2), np.float32)
    left, scale, _ = np.linalg.svd(values - values.mean(axis=0), full_matrices=False)
    components = (left * scale)[:, :2]
    return np.pad(components, ((0, 0), (0, 2 - components.shape[1]))).astype(np.float32)
