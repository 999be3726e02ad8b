"""Interactive embedding: positions of cells, their partners, and columns and features to colour them by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.correspondence import Correspondence
from jamie.core.labels import as_labels, label_series
from jamie.core.matrix import column_variances, to_dense
from jamie.core.names import DATA_LAYOUT, LATENT_LAYOUT, MATCH_SCORE, NOVELTY, SPLIT
from jamie.data.writing.names import stored_name
from jamie.pl.style import label_colours
from jamie.report.html.features import features_by_score
from jamie.report.html.pack import array, as_bytes, coordinates
from jamie.runs.correspondence_files import load_pairs
from jamie.runs.file_names import inferred_pairs_file, known_pairs_file
from jamie.runs.run import Run

if TYPE_CHECKING:
    from anndata import AnnData

MAX_LEVELS, MAX_COLUMNS = 60, 6  # of columns that are neither labels nor written by the run
MAX_FEATURES_RANKED = 20_000  # features whose variance is computed
NO_PARTNER, NOT_SHOWN, SAME_NAME = -1, -2, -3  # instead of the position of a partner on the page
RESULT_COLUMNS = {SPLIT: "training or held out", MATCH_SCORE: "match score", NOVELTY: "novelty"}

Modalities = Mapping[str, "AnnData"]
Pairs = Mapping[tuple[str, str, bool], Correspondence]  # by (a, b, whether they were inferred)


@dataclass(frozen=True)
class CellSample:
    """Cells that the page draws.

    Parameters
    ----------
    rows
        Rows (k_m,) of each modality, in the order of the page.
    total
        Number of cells that the run has.
    """

    rows: Mapping[str, NDArray[np.intp]]
    total: int

    def positions(self, modality: str, n_cells: int) -> NDArray[np.int64]:
        """Return the position of each cell (n_m,) of a modality on the page, `NOT_SHOWN` if it is not drawn."""
        order = list(self.rows)
        start = sum(len(self.rows[m]) for m in order[: order.index(modality)])
        positions = np.full(n_cells, NOT_SHOWN)
        positions[self.rows[modality]] = start + np.arange(len(self.rows[modality]))
        return positions


def embedding_data(
    run: Run, generator: np.random.Generator, *, max_cells: int, n_features: int
) -> dict[str, Any] | None:
    """Return what the page draws; None if no modality has a UMAP.

    Parameters
    ----------
    run
        The run; its cells have UMAP coordinates.
    generator
        Samples cells if there are too many.
    max_cells
        Number of cells of all modalities; of more, cells are sampled together with their partners.
    n_features
        Number of features by which cells can be coloured.
    """
    mods, used = run.mdata.mod, run.pairing.get("cells", {})
    modalities = {m: mods[m] for m in used if m in mods and {LATENT_LAYOUT, DATA_LAYOUT} & set(mods[m].obsm)}
    if not modalities:
        return None
    pairs = dict(_pairs(run, modalities))
    shown = sample_cells({m: _has_layout(adata) for m, adata in modalities.items()}, pairs, max_cells, generator)
    names = [str(name) for m, rows in shown.rows.items() for name in modalities[m].obs_names[rows]]
    return {
        "modalities": list(modalities),
        "counts": [len(rows) for rows in shown.rows.values()],
        "total": shown.total,
        "names": names,
        "labels": _stored_names(run.spec.labels, modalities),
        "layouts": list(_layouts(modalities, shown)),
        "partners": [
            {"from": a, "to": b, "inferred": inferred, "rows": array(_partners(pair, modalities, a, b, shown))}
            for (a, b, inferred), pair in pairs.items()
        ],
        "columns": list(_columns(modalities, run, shown)),
        "features": list(_features(modalities, run, shown, n_features)),
    }


def _pairs(run: Run, modalities: Modalities) -> Iterator[tuple[tuple[str, str, bool], Correspondence]]:
    """Yield known and inferred partners in both directions."""
    for a in modalities:
        for b in modalities:
            for inferred, name in ((False, known_pairs_file(a, b)), (True, inferred_pairs_file(a, b))):
                if (run.path / name).is_file():
                    pairs = load_pairs(run.path / name, modalities[a].obs_names, modalities[b].obs_names)
                    yield (a, b, inferred), pairs
                    yield (b, a, inferred), pairs.T


def sample_cells(
    available: Mapping[str, NDArray[np.bool_]], pairs: Pairs, max_cells: int, generator: np.random.Generator
) -> CellSample:
    """Sample the same fraction of each modality, known partners together.

    Parameters
    ----------
    available
        Whether each cell (n_m,) can be drawn.
    pairs
        Known and inferred partners (n_a, n_b).
    max_cells
        Number of cells of all modalities.
    generator
        Samples the cells.
    """
    order = list(available)
    keys = {m: generator.random(len(cells)) for m, cells in available.items()}
    for (a, b, inferred), pair in pairs.items():
        if not inferred and order.index(a) < order.index(b):
            rows, columns = pair.pairs()
            keys[b][columns] = keys[a][rows]
    fraction = min(1.0, max_cells / max(1, sum(int(cells.sum()) for cells in available.values())))
    sample = {
        m: np.argsort(np.where(cells, keys[m], np.inf), kind="stable")[: int(cells.sum() * fraction)]
        for m, cells in available.items()
    }
    return CellSample(sample, sum(map(len, available.values())))


def _has_layout(adata: AnnData) -> NDArray[np.bool_]:
    layouts = [adata.obsm[key] for key in (LATENT_LAYOUT, DATA_LAYOUT) if key in adata.obsm]
    return np.logical_or.reduce([np.isfinite(np.asarray(layout)).all(axis=1) for layout in layouts])


def _partners(pairs: Correspondence, modalities: Modalities, a: str, b: str, shown: CellSample) -> NDArray[np.int32]:
    """Return the position on the page of the best partner of each drawn cell (k_a,), negative if it is not drawn."""
    best = pairs.best_partner()
    positions = np.where(best < 0, NO_PARTNER, shown.positions(b, pairs.shape[1])[best])
    names_a, names_b = (modalities[m].obs_names.to_numpy() for m in (a, b))
    positions = np.where((positions == NOT_SHOWN) & (names_a == names_b[best]), SAME_NAME, positions)
    return positions[shown.rows[a]].astype(np.int32)


def _layouts(modalities: Modalities, shown: CellSample) -> Iterator[dict[str, Any]]:
    """Yield the UMAP of the latents of all modalities, then that of each modality's data."""
    groups = [("latent space, all modalities", [m for m in modalities if LATENT_LAYOUT in modalities[m].obsm])]
    groups += [(f"{m} alone, before integration", [m]) for m in modalities if DATA_LAYOUT in modalities[m].obsm]
    for i, (title, members) in enumerate(groups):
        key = DATA_LAYOUT if i else LATENT_LAYOUT
        points = [
            np.asarray(modalities[m].obsm[key])[rows, :2] if m in members else np.full((len(rows), 2), np.nan)
            for m, rows in shown.rows.items()
        ]
        if members:
            yield {"title": title, "modalities": members, **coordinates(np.concatenate(points))}


def _columns(modalities: Modalities, run: Run, shown: CellSample) -> Iterator[dict[str, Any]]:
    """Yield the columns of obs to colour by: labels, those that the run adds, then others with a few groups."""
    present = list(dict.fromkeys(name for adata in modalities.values() for name in adata.obs.columns))
    labels = _stored_names([*run.spec.labels, *filter(None, [run.spec.batch_key])], modalities)
    first = [name for name in (*labels, *RESULT_COLUMNS) if name in present]
    others = [name for name in present if name not in first and _has_few_groups(modalities, name)]
    for name in (*first, *others[:MAX_COLUMNS]):
        columns = {m: _column(adata.obs, name) for m, adata in modalities.items()}
        values = pd.concat([columns[m].iloc[rows] for m, rows in shown.rows.items()], ignore_index=True)
        title = RESULT_COLUMNS.get(name, name)
        if name not in labels and pd.api.types.is_float_dtype(values):
            yield {"name": title, "kind": "number", **as_bytes(values.to_numpy(np.float64))}
        else:
            colours = label_colours([level for column in columns.values() for level in _levels(column)])
            codes = pd.Categorical(as_labels(values), categories=list(colours)).codes
            codes = np.where(codes < 0, len(colours), codes).astype(np.uint16)  # one more than there are: no label
            group = {"levels": list(colours), "colours": list(colours.values()), "values": array(codes)}
            yield {"name": title, "kind": "group", **group}


def _stored_names(names: Iterable[str], modalities: Modalities) -> list[str]:
    """Return names of columns of obs as they are in the result."""
    present = {name for adata in modalities.values() for name in adata.obs.columns}
    return [stored_name(name, present) for name in names]


def _column(obs: pd.DataFrame, name: str) -> pd.Series:
    if name not in obs:
        return pd.Series(None, index=obs.index, dtype=object)
    column = obs[name]
    return column.astype(object) if isinstance(column.dtype, pd.CategoricalDtype) else column


def _levels(column: pd.Series) -> Iterable[str]:
    return pd.unique(label_series(column).dropna())


def _has_few_groups(modalities: Modalities, name: str) -> bool:
    columns = [adata.obs[name] for adata in modalities.values() if name in adata.obs]
    if any(pd.api.types.is_float_dtype(column) for column in columns):
        return False
    return 1 < len(set().union(*(_levels(column) for column in columns))) <= MAX_LEVELS


def _features(modalities: Modalities, run: Run, shown: CellSample, n_features: int) -> Iterator[dict[str, Any]]:
    """Yield measured values in the feature's own modality, imputed ones in the others."""
    scores, records = run.features, run.metric_records
    for target, adata in modalities.items():
        values = _predicted_values(run, target, adata)
        if values is None or not adata.var_names.is_unique:
            continue
        ranked = features_by_score(scores, records, target, run.model_name)
        names = _select_features(adata, values, ranked, max(1, n_features // len(modalities)))
        columns = {target: to_dense(values[:, adata.var_names.get_indexer(names)])}
        for source in modalities:
            imputed = run.find_imputed(source, target) if source != target else None
            if imputed is not None and pd.Index(names).isin(imputed.var_names).all():
                rows = imputed.obs_names.get_indexer(modalities[source].obs_names)
                X = to_dense(imputed.X[:, imputed.var_names.get_indexer(names)]).astype(np.float32)
                columns[source] = np.where((rows >= 0)[:, None], X[rows], np.nan)
        for j, name in enumerate(names):
            parts = [
                columns[m][rows, j] if m in columns else np.full(len(rows), np.nan) for m, rows in shown.rows.items()
            ]
            imputed_in = [m for m in columns if m != target]
            yield {"name": name, "of": target, "imputed": imputed_in, **as_bytes(np.concatenate(parts))}


def _predicted_values(run: Run, modality: str, adata: AnnData) -> Any:
    """Return the values of the features that the model predicts; None unless they are in X or a layer."""
    settings = run.spec.modality(modality)
    block = settings.target or settings
    if block.obsm:
        return None
    return adata.layers.get(block.layer) if block.layer else adata.X


def _select_features(adata: AnnData, values: Any, ranked: Sequence[str], n: int) -> list[str]:
    """Return the features that are imputed best; if none are imputed, those with the largest variance."""
    best = [name for name in ranked if name in adata.var_names][:n]
    if best or adata.n_vars > MAX_FEATURES_RANKED:
        return best or list(adata.var_names[:n])
    variance = column_variances(sparse.csr_array(values) if sparse.issparse(values) else np.asarray(values))
    return list(adata.var_names[np.argsort(-np.nan_to_num(variance), kind="stable")[:n]])
