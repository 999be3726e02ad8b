"""Imputing a modality of new cells from several others at once, each cell from those that it was measured in."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.imputation import BLOCK_CELLS, ImputedChunk, LazyImputation
from jamie.core.names import NOVELTY, SOURCES
from jamie.core.sources import JOIN, JointSources
from jamie.data.assemble import require_unique_cells
from jamie.model.choose_modalities import target_columns
from jamie.model.fitted_model import FittedModel, Inputs
from jamie.model.imputation import (
    add_imputability,
    novelty_column,
    provenance,
    uncertainty_layers,
    use_intervals,
)
from jamie.model.query import Query, QueryCells, pairs_by_name

log = logging.getLogger(__name__)

Floats = NDArray[np.float32]

_WITHOUT_WEIGHTS = "too few calibration cells have all of these modalities (training.calibration)"


def impute_queries(
    queries: Sequence[Query], target: str, features: Iterable[str] | None = None, intervals: bool | None = None
) -> LazyImputation:
    """Impute new cells from all sources that each of them was measured in.

    Parameters
    ----------
    queries
        The cells of each source, in the order of the model; those that agree by their names are one cell.
    target
        Modality to impute.
    features
        Its features to impute; all by default.
    intervals
        As in `impute_query`.

    Raises
    ------
    DataError
        If the model lacks the modality, a feature, or the intervals.
    MemoryLimitError
        If the preprocessed cells of all sources would not fit in memory.
    """
    model, joint = queries[0].model, JointSources(tuple(query.modality for query in queries), target)
    model.require_imputation()
    known = model.require(target)
    columns = None if features is None else target_columns(model, target, features)
    names = known.target_features if columns is None else known.target_features[columns]
    cells = _JointCells.of(queries)
    n_bytes = 4 * len(cells.obs) * len(names)
    layers = uncertainty_layers(model, joint)
    if not use_intervals(intervals, bool(layers), n_bytes, f"{joint.name} to {target}"):
        layers = ()
    if joint not in model.uncertainty.combinations:
        log.warning(
            "%s to %s: the mean of what each source gives, as no weights could be fitted: %s",
            *(joint.name, target, _WITHOUT_WEIGHTS if model.spec.method is None else "the model is a method"),
        )
    return LazyImputation(
        obs=cells.obs,
        var=add_imputability(model, joint, pd.DataFrame(index=names), columns),
        layers=layers,
        provenance=provenance(joint, known.target_origin),
        rows=lambda rows: _impute_rows(model, joint, cells, rows, columns, layers),
    )


def _impute_rows(
    model: FittedModel,
    joint: JointSources,
    cells: _JointCells,
    rows: slice,
    columns: NDArray[np.int64] | None,
    layers: Sequence[str],
) -> ImputedChunk:
    """Impute some cells, those with the same sources together."""
    measured = cells.measured(rows)
    n_features = len(model.modalities[joint.target].target_features) if columns is None else len(columns)
    matrices = {name: np.full((len(measured), n_features), np.nan, np.float32) for name in ("X", *layers)}
    for pattern in np.unique(measured[measured.any(axis=1)], axis=0):
        chosen = np.flatnonzero((measured == pattern).all(axis=1))
        there = tuple(source for source, measures in zip(joint.sources, pattern, strict=True) if measures)
        inputs = [cells.inputs(source, rows, chosen) for source in there]
        obs = [cells.annotations(source, rows, chosen) for source in there]
        imputed = model.impute_jointly(
            JointSources(there, joint.target), inputs, columns, obs=obs, intervals=bool(layers)
        )
        for name, values in {"X": imputed.mean, **imputed.uncertainty}.items():
            matrices[name][chosen] = values
    names = np.array([JOIN.join(np.array(joint.sources)[pattern]) for pattern in measured], dtype=object)
    return ImputedChunk(matrices.pop("X"), matrices, {SOURCES: names, **cells.novelty(rows)})


@dataclass(frozen=True)
class _JointCells:
    """Preprocessed cells of several sources, those of the same cell side by side.

    Parameters
    ----------
    obs : (n, ...)
        Annotations of the cells: those of the first source that lists them.
    rows
        (n,) row of each cell in each source, -1 where it was not measured.
    given
        The cells of each source.
    annotated
        Annotations of the cells of each source.
    novelties
        (n_m,) of the cells of each source; empty where the model has no novelty score.
    """

    obs: pd.DataFrame
    rows: Mapping[str, NDArray[np.int64]]
    given: Mapping[str, QueryCells]
    annotated: Mapping[str, pd.DataFrame]
    novelties: Mapping[str, Floats]

    @classmethod
    def of(cls, queries: Sequence[Query]) -> _JointCells:
        """Read the cells, and find out which are the same."""
        model = queries[0].model
        given = {query.modality: _read(query) for query in queries}
        obs, rows = _join(queries)
        for source, cells in given.items():
            if cells.absent is not None:
                rows[source][np.isin(rows[source], np.flatnonzero(cells.absent))] = -1
        unmeasured = int((np.stack(list(rows.values())) < 0).all(axis=0).sum())
        if unmeasured:
            log.warning(
                "%d of %d cells were measured in none of %s: their imputed values are NaN",
                *(unmeasured, len(obs), ", ".join(given)),
            )
        novelties = {m: column[NOVELTY] for m, c in given.items() if (column := novelty_column(model, m, c.scores))}
        return cls(obs, rows, given, {query.modality: query.obs for query in queries}, novelties)

    def measured(self, rows: slice) -> NDArray[np.bool_]:
        """Whether some cells (k, sources) were measured in each source."""
        return np.stack([positions[rows] >= 0 for positions in self.rows.values()], axis=1)

    def inputs(self, source: str, rows: slice, chosen: NDArray[np.int64]) -> Inputs:
        """Return scores and covariates of the `chosen` among some cells, which the source has."""
        positions, cells = self.rows[source][rows][chosen], self.given[source]
        return cells.scores[positions], None if cells.covariates is None else cells.covariates[positions]

    def annotations(self, source: str, rows: slice, chosen: NDArray[np.int64]) -> pd.DataFrame:
        """Return what a source says of the `chosen` among some cells, which it has."""
        return self.annotated[source].iloc[self.rows[source][rows][chosen]]

    def novelty(self, rows: slice) -> dict[str, Floats]:
        """Column of obs with the novelty of some cells: the largest of those in their sources."""
        parts = []
        for source, novelty in self.novelties.items():
            positions = self.rows[source][rows]
            parts.append(np.where(positions >= 0, novelty[positions], np.float32(np.nan)))
        return {NOVELTY: np.fmax.reduce(parts)} if parts else {}


def _read(query: Query) -> QueryCells:
    """Read and preprocess all cells of a source, a block of rows at a time."""
    n, parts = len(query.obs), list[QueryCells]()
    for start in range(0, n, BLOCK_CELLS):
        parts.append(query.read(slice(start, min(start + BLOCK_CELLS, n))))
        width = parts[0].scores.shape[1]
        what = f"{query.where}: {n} cells x {width} preprocessed features"
        query.context.for_stage("impute").require_memory(4 * n * width, what, "impute fewer cells at a time")
    absent = np.concatenate([np.zeros(len(p.scores), bool) if p.absent is None else p.absent for p in parts])
    covariates = None if parts[0].covariates is None else np.concatenate([p.covariates for p in parts])
    return QueryCells(np.concatenate([p.scores for p in parts]), covariates, absent if absent.any() else None)


def _join(queries: Sequence[Query]) -> tuple[pd.DataFrame, dict[str, NDArray[np.int64]]]:
    """Return annotations of the cells of all sources, each once, and the row (n,) of each in every source or -1."""
    names = {query.modality: query.obs.index for query in queries}
    pairs = pairs_by_name(queries[0].model.spec.correspondence.known, names).mutual_best()
    place: dict[str, NDArray[np.int64]] = {}
    frames: list[pd.DataFrame] = []
    n = 0
    for query in queries:
        own = np.full(len(query.obs), -1)
        for earlier, places in place.items():
            partner = pairs.between(query.modality, earlier).best_partner()
            own = np.where((own < 0) & (partner >= 0), places[partner], own)
        new = np.flatnonzero(own < 0)
        own[new] = n + np.arange(len(new))
        place[query.modality], n = own, n + len(new)
        if len(new):
            frames.append(query.obs.iloc[new])
    obs = frames[0] if len(frames) == 1 else pd.concat(frames)
    require_unique_cells(obs.index, "impute")
    rows = {m: np.full(n, -1) for m in place}
    for m, places in place.items():
        rows[m][places] = np.arange(len(places))
    return obs, rows
