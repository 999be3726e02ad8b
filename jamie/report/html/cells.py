"""The interactive embedding: where cells lie, what they are, and values to colour them by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.labels import as_labels, label_series
from jamie.core.matrix import column_variances, to_dense
from jamie.core.names import DATA_LAYOUT as OWN
from jamie.core.names import LATENT_LAYOUT as JOINT
from jamie.core.names import MATCH_SCORE, NOVELTY, SPLIT
from jamie.data.writing.names import stored_name
from jamie.report.html.feature_table import best_features
from jamie.report.html.files import RunFiles
from jamie.report.html.pack import array, as_bytes, coordinates
from jamie.runs.layout import CORRESPONDENCES

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

MOST_LEVELS, MOST_COLUMNS = 60, 6  # of columns that are neither labels nor written by the run
FEW_ENOUGH = 20_000  # features of which the variance is computed
NO_PARTNER, NOT_SHOWN, SAME_NAME = -1, -2, -3
OURS_OBS = {SPLIT: "training or held out", MATCH_SCORE: "match score", NOVELTY: "novelty"}

Imputer = Callable[[str, str], "AnnData | None"]
Colours = Callable[[Sequence[str]], Mapping[str, str]]


@dataclass(frozen=True)
class Shown:
    """Cells of the page.

    Parameters
    ----------
    rows
        (k_m,) of each modality, in the order of the page.
    total
        Cells that there are.
    """

    rows: Mapping[str, NDArray[np.intp]]
    total: int

    @property
    def count(self) -> int:
        """Cells that are shown."""
        return sum(len(rows) for rows in self.rows.values())

    def spread(self, modality: str, values: NDArray[Any], fill: Any) -> NDArray[Any]:
        """Return values (count,) of all shown cells: those (n_m,) of one modality, `fill` for the others."""
        parts = [
            np.asarray(values)[rows] if m == modality else np.full(len(rows), fill) for m, rows in self.rows.items()
        ]
        return np.concatenate(parts)


def embedding_data(
    mdata: MuData,
    run: RunFiles,
    imputed: Imputer,
    colours: Colours,
    generator: np.random.Generator,
    *,
    most_cells: int,
    n_features: int,
) -> dict[str, Any] | None:
    """Return what the page draws; None where no modality has a layout.

    Parameters
    ----------
    mdata
        The cells with their layouts.
    run
        Files of the run.
    imputed
        Values of a target imputed from a source, or None.
    colours
        Gives each of several labels a colour, in an order to show them in.
    generator
        That draws cells where there are too many.
    most_cells
        Of all modalities together; beyond, whole cells (with their partners) are drawn at random.
    n_features
        By which cells can be coloured.
    """
    modalities = {m: mdata.mod[m] for m in run.modalities if m in mdata.mod and {JOINT, OWN} & set(mdata.mod[m].obsm)}
    if not modalities:
        return None
    pairs = dict(_pairs(run.path, modalities))
    shown = sample({m: _placed(adata) for m, adata in modalities.items()}, pairs, most_cells, generator)
    names = [str(name) for m, rows in shown.rows.items() for name in modalities[m].obs_names[rows]]
    return {
        "modalities": list(modalities),
        "counts": [len(rows) for rows in shown.rows.values()],
        "total": shown.total,
        "names": names,
        "labels": _found(run.spec.get("labels") or [], modalities),
        "layouts": list(_layouts(modalities, shown)),
        "partners": [
            {"from": a, "to": b, "inferred": inferred, "rows": array(_partner_rows(matrix, modalities, (a, b), shown))}
            for (a, b, inferred), matrix in pairs.items()
        ],
        "columns": list(_columns(modalities, run, shown, colours)),
        "features": list(_features(modalities, run, imputed, shown, n_features)),
    }


def _pairs(path: Path, modalities: Mapping[str, AnnData]) -> Iterator[tuple[tuple[str, str, bool], sparse.csr_array]]:
    """Known and inferred partners in both directions, as (n_a, n_b) in the order of the cells of `modalities`."""
    for a in modalities:
        for b in modalities:
            for inferred, ending in ((False, ".npz"), (True, ".inferred.npz")):
                file = path / CORRESPONDENCES / f"{a}--{b}{ending}"
                if file.is_file():
                    matrix = _matrix(file, modalities[a].obs_names, modalities[b].obs_names)
                    yield (a, b, inferred), matrix
                    yield (b, a, inferred), matrix.T.tocsr()


def _matrix(file: Path, cells_a: pd.Index, cells_b: pd.Index) -> sparse.csr_array:
    with np.load(file, allow_pickle=False) as arrays:
        names_a, names_b = arrays["cells_a"], arrays["cells_b"]
        own = sparse.csr_array(
            (arrays["data"], arrays["indices"], arrays["indptr"]), shape=tuple(arrays["shape"])
        ).tocoo()
    a, b = cells_a.get_indexer(names_a)[own.coords[0]], cells_b.get_indexer(names_b)[own.coords[1]]
    there = (a >= 0) & (b >= 0)
    return sparse.csr_array((own.data[there], (a[there], b[there])), shape=(len(cells_a), len(cells_b)))


def sample(
    placed: Mapping[str, NDArray[np.bool_]],
    pairs: Mapping[tuple[str, str, bool], sparse.csr_array],
    most: int,
    generator: np.random.Generator,
) -> Shown:
    """Choose cells at random, with the same share of every modality, and known partners together.

    Parameters
    ----------
    placed
        (n_m,) whether a cell has a place in a layout; others are not chosen.
    pairs
        Known and inferred partners (n_a, n_b) by (a, b, inferred).
    most
        Cells of all modalities together.
    generator
        That draws them.
    """
    keys = {m: generator.random(len(there)) for m, there in placed.items()}
    for (a, b, inferred), matrix in pairs.items():
        if not inferred and list(placed).index(a) < list(placed).index(b):
            rows, columns = matrix.nonzero()
            keys[b][columns] = keys[a][rows]
    available = sum(int(there.sum()) for there in placed.values())
    share = min(1.0, most / max(1, available))
    chosen = {
        m: np.argsort(np.where(there, keys[m], np.inf), kind="stable")[: int(there.sum() * share)]
        for m, there in placed.items()
    }
    return Shown(chosen, sum(map(len, placed.values())))


def _placed(adata: AnnData) -> NDArray[np.bool_]:
    layouts = [np.isfinite(np.asarray(adata.obsm[key])).all(axis=1) for key in (JOINT, OWN) if key in adata.obsm]
    return np.logical_or.reduce(layouts)


def _partner_rows(
    matrix: sparse.csr_array, modalities: Mapping[str, AnnData], ends: tuple[str, str], shown: Shown
) -> NDArray[np.int32]:
    """Place (k_a,) on the page of each cell's likeliest partner; below 0 where there is none, or it is not shown."""
    a, b = ends
    best = np.full(matrix.shape[0], NO_PARTNER)
    filled = np.flatnonzero(np.diff(matrix.indptr))
    if len(filled):
        best[filled] = np.asarray(matrix[filled].argmax(axis=1)).ravel()
    place = np.full(matrix.shape[1], NOT_SHOWN)
    names = list(shown.rows)
    place[shown.rows[b]] = sum(len(shown.rows[m]) for m in names[: names.index(b)]) + np.arange(len(shown.rows[b]))
    found = np.where(best < 0, NO_PARTNER, place[best])
    same = modalities[a].obs_names.to_numpy() == modalities[b].obs_names.to_numpy()[best]
    return np.where((found == NOT_SHOWN) & same, SAME_NAME, found)[shown.rows[a]].astype(np.int32)


def _layouts(modalities: Mapping[str, AnnData], shown: Shown) -> Iterator[dict[str, Any]]:
    joint = [m for m, adata in modalities.items() if JOINT in adata.obsm]
    if joint:
        yield {"title": "latent space, all modalities", "modalities": joint, **_places(modalities, joint, JOINT, shown)}
    for m, adata in modalities.items():
        if OWN in adata.obsm:
            yield {"title": f"{m} alone, before integration", "modalities": [m], **_places(modalities, [m], OWN, shown)}


def _places(modalities: Mapping[str, AnnData], which: Sequence[str], key: str, shown: Shown) -> dict[str, Any]:
    places = [
        np.asarray(modalities[m].obsm[key])[rows, :2] if m in which else np.full((len(rows), 2), np.nan)
        for m, rows in shown.rows.items()
    ]
    return coordinates(np.concatenate(places))


def _columns(
    modalities: Mapping[str, AnnData], run: RunFiles, shown: Shown, colours: Colours
) -> Iterator[dict[str, Any]]:
    """Columns of obs to colour by: labels, what the run adds, then some others that divide cells into groups."""
    present = list(dict.fromkeys(name for adata in modalities.values() for name in adata.obs.columns))
    labels = _found([*(run.spec.get("labels") or []), *filter(None, [run.spec.get("batch_key")])], modalities)
    first = [name for name in (*labels, *OURS_OBS) if name in present]
    others = [name for name in present if name not in first and _groups(modalities, name)]
    for name in (*first, *others[:MOST_COLUMNS]):
        every = {m: _column(adata.obs, name) for m, adata in modalities.items()}
        values = pd.concat([every[m].iloc[rows] for m, rows in shown.rows.items()], ignore_index=True)
        title = OURS_OBS.get(name, name)
        if name not in labels and pd.api.types.is_float_dtype(values):
            yield {"name": title, "kind": "number", **as_bytes(values.to_numpy(np.float64))}
        else:
            by_level = colours([one for column in every.values() for one in _levels(column)])
            yield {"name": title, "kind": "group", **_coded(values, by_level)}


def _found(names: Iterable[str], modalities: Mapping[str, AnnData]) -> list[str]:
    """Names of columns of obs as the result has them."""
    present = {name for adata in modalities.values() for name in adata.obs.columns}
    return [stored_name(name, present) for name in names]


def _column(obs: pd.DataFrame, name: str) -> pd.Series:
    if name not in obs:
        return pd.Series(None, index=obs.index, dtype=object)
    column = obs[name]
    return column.astype(object) if isinstance(column.dtype, pd.CategoricalDtype) else column


def _levels(column: pd.Series) -> Iterable[str]:
    return pd.unique(label_series(column).dropna())


def _groups(modalities: Mapping[str, AnnData], name: str) -> bool:
    """Whether a column divides cells into a few groups."""
    columns = [adata.obs[name] for adata in modalities.values() if name in adata.obs]
    if any(pd.api.types.is_float_dtype(column) for column in columns):
        return False
    distinct = set().union(*(_levels(column) for column in columns))
    return 1 < len(distinct) <= MOST_LEVELS


def _coded(values: pd.Series, colours: Mapping[str, str]) -> dict[str, Any]:
    """Code groups by their place among all; one more is none."""
    codes = pd.Categorical(as_labels(values), categories=list(colours)).codes
    found = np.where(codes < 0, len(colours), codes).astype(np.uint16)
    return {"levels": list(colours), "colours": list(colours.values()), "values": array(found)}


def _features(
    modalities: Mapping[str, AnnData], run: RunFiles, imputed: Imputer, shown: Shown, n_features: int
) -> Iterator[dict[str, Any]]:
    """Measured values in the feature's own modality, imputed ones in the others."""
    each = max(1, n_features // len(modalities))
    for target, adata in modalities.items():
        values = _values(adata, (run.spec.get("modalities") or {}).get(target) or {})
        if values is None or not adata.var_names.is_unique:
            continue
        names = _chosen(adata, values, best_features(run, target), each)
        columns = {target: to_dense(values[:, adata.var_names.get_indexer(names)])}
        for source in modalities:
            found = imputed(source, target) if source != target else None
            if found is not None and pd.Index(names).isin(found.var_names).all():
                rows = found.obs_names.get_indexer(modalities[source].obs_names)
                some = to_dense(found.X[:, found.var_names.get_indexer(names)]).astype(np.float32)
                columns[source] = np.where((rows >= 0)[:, None], some[rows], np.nan)
        for position, name in enumerate(names):
            parts = [
                columns[m][rows, position] if m in columns else np.full(len(rows), np.nan)
                for m, rows in shown.rows.items()
            ]
            told = {"name": name, "of": target, "imputed": [m for m in columns if m != target]}
            yield {**told, **as_bytes(np.concatenate(parts))}


def _values(adata: AnnData, settings: Mapping[str, Any]) -> Any:
    """Values of a modality's features as the model predicts them; None where they are not in X or a layer."""
    section = settings.get("target") or settings
    if section.get("obsm"):
        return None
    layer = section.get("layer")
    return adata.layers.get(layer) if layer else adata.X


def _chosen(adata: AnnData, values: Any, best: Sequence[str], n: int) -> list[str]:
    """Features that are imputed best; where none is, those that vary most."""
    known = [name for name in best if name in adata.var_names][:n]
    if known or adata.n_vars > FEW_ENOUGH:
        return known or list(adata.var_names[:n])
    variance = column_variances(sparse.csr_array(values) if sparse.issparse(values) else np.asarray(values))
    return list(adata.var_names[np.argsort(-np.nan_to_num(variance), kind="stable")[:n]])
