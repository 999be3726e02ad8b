"""Imputing a modality of new cells from another, with uncertainty and novelty, a block of rows at a time."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.errors import DataError
from jamie.core.imputation import ImputedChunk, LazyImputation
from jamie.core.names import IMPUTABILITY, NOVELTY, UNCERTAINTY_LAYERS
from jamie.core.sources import JointSources
from jamie.model.choose_modalities import target_columns
from jamie.model.fitted_model import FittedModel
from jamie.model.query import Query
from jamie.trust.novelty import OUT_OF_DISTRIBUTION

MAX_BYTES_WITH_INTERVALS = 2 * 2**30  # of one matrix of imputed values, beside three others of its size
_WARNING_FRACTION = 0.1  # of out-of-distribution cells, where 0.01 are expected

log = logging.getLogger(__name__)


def impute_query(
    query: Query, target: str, features: Iterable[str] | None = None, intervals: bool | None = None
) -> LazyImputation:
    """Impute new cells.

    Parameters
    ----------
    query
        The cells, of the source.
    target
        Modality to impute.
    features
        Its features to impute; all by default.
    intervals
        Whether to add standard deviations and intervals; by default if the model has them, and the values take no more
        than 2 GiB.

    Raises
    ------
    DataError
        If the model lacks the modality, a feature, or the intervals.
    """
    model, source = query.model, query.modality
    model.require_imputation()
    known = model.require(target)
    columns = None if features is None else target_columns(model, target, features)
    names = known.target_features if columns is None else known.target_features[columns]
    joint = JointSources((source,), target)
    layers = uncertainty_layers(model, joint)
    if not use_intervals(intervals, bool(layers), 4 * len(query.obs) * len(names), f"{source} to {target}"):
        layers = ()
    warning = _NoveltyWarning(source)

    def impute_rows(rows: slice) -> ImputedChunk:
        cells = query.read(rows)
        given, obs = (cells.scores, cells.covariates), query.obs.iloc[rows]
        values = model.impute(source, target, *given, columns, obs=obs, intervals=bool(layers))
        novelty = novelty_column(model, source, cells.scores)
        warning.count(novelty.get(NOVELTY))
        imputed = ImputedChunk(values.mean, values.uncertainty, novelty)
        return imputed if cells.absent is None else imputed.without(cells.absent)

    return LazyImputation(
        obs=query.obs,
        var=add_imputability(model, joint, pd.DataFrame(index=names), columns),
        layers=layers,
        provenance=provenance(joint, known.target_origin),
        rows=impute_rows,
    )


def use_intervals(requested: bool | None, available: bool, n_bytes: int, direction: str) -> bool:
    """Whether to add intervals to values of so many bytes.

    Raises
    ------
    DataError
        If they are requested, and not available.
    """
    if requested and not available:
        raise DataError(
            "expected a model that has intervals, found none for this direction",
            where=direction,
            fix="train with training.calibration above 0 and more matched cells, or leave intervals out",
        )
    if requested is None and available and n_bytes > MAX_BYTES_WITH_INTERVALS:
        log.info(
            "%s: without standard deviations and intervals, since the values alone take %.1f GiB; --intervals "
            "(in Python, intervals=True) adds them",
            *(direction, n_bytes / 2**30),
        )
        return False
    return available if requested is None else requested


def uncertainty_layers(model: FittedModel, joint: JointSources) -> tuple[str, ...]:
    """Names of the layers beside imputed values."""
    return () if model.calibration(joint) is None else UNCERTAINTY_LAYERS


def add_imputability(
    model: FittedModel, joint: JointSources, var: pd.DataFrame, columns: NDArray[np.int64] | None = None
) -> pd.DataFrame:
    """Add the correlation of imputed and measured values of the calibration cells to the features of a target."""
    calibration = model.calibration(joint)
    if calibration is None:
        return var
    values = calibration.imputability if columns is None else calibration.imputability[columns]
    return var.assign(**{IMPUTABILITY: values})


def novelty_column(model: FittedModel, modality: str, scores: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Column of obs (n,) with the novelty of cells; empty if the model has no novelty score of the modality."""
    novelty = model.uncertainty.novelty.get(modality)
    return {} if novelty is None else {NOVELTY: novelty(model.network_scores(modality, scores))}


class _NoveltyWarning:
    """Warns once if many cells of a modality are out-of-distribution."""

    def __init__(self, modality: str) -> None:
        self.modality, self.n_cells, self.n_novel, self.given = modality, 0, 0, False

    def count(self, novelty: NDArray[np.float32] | None) -> None:
        """Count further cells by their novelty."""
        if novelty is None or self.given:
            return
        self.n_cells += len(novelty)
        self.n_novel += int((novelty >= OUT_OF_DISTRIBUTION).sum())
        if self.n_novel > _WARNING_FRACTION * self.n_cells:
            self.given = True
            log.warning(
                "modality '%s': %d of %d cells are out-of-distribution: further from the training cells than nearly "
                "all held-out training cells (%s of 0.99 and more); do not rely on values imputed for them",
                *(self.modality, self.n_novel, self.n_cells, NOVELTY),
            )


def provenance(joint: JointSources, origin: str) -> dict[str, Any]:
    """Source, target and units of imputed values; of several sources their names too."""
    several = {"sources": list(joint.sources)} if len(joint.sources) > 1 else {}
    return {"source": joint.name, "target": joint.target, "units": f"as {origin} of {joint.target}", **several}
