"""Imputing one modality of new cells from another, as far and as fast as the values are asked for."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.context import Context
from jamie.core.data import Imputation
from jamie.core.errors import DataError
from jamie.core.imputation import ImputedChunk, LazyImputation
from jamie.core.matrix import to_dense
from jamie.data.blocks import reads_raw
from jamie.model.apply import draws
from jamie.model.query import Query
from jamie.model.trained import TrainedModel
from jamie.trust.distance import BEYOND
from jamie.trust.spread import variance_of

if TYPE_CHECKING:
    from anndata import AnnData

UNCERTAINTY = ("sd", "lower", "upper")  # layers
IMPUTABILITY, DISTANCE = "imputability", "jamie_distance"  # columns of var and obs
LARGEST_WITH_INTERVALS = 2 * 2**30  # bytes of one matrix of imputed values, beside which there are three others
MANY = 0.1  # of the cells, where a hundredth are expected, are beyond what is usual

log = logging.getLogger(__name__)


def imputed_query(
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
        Whether standard deviations and intervals come with the values; by default where the model has them, and the
        values take no more than 2 GiB.

    Raises
    ------
    DataError
        Where the model has no such modality or feature, or no intervals that are asked for.
    """
    model, source = query.model, query.modality
    known = model.require(target)
    columns = None if features is None else target_columns(model, target, features)
    names = known.target_features if columns is None else known.target_features[columns]
    layers = uncertainty_layers(model, source, target)
    if not _wanted(intervals, bool(layers), 4 * len(query.obs) * len(names), f"{source} to {target}"):
        layers = ()
    strangers = _Strangers(source)

    def rows(some: slice) -> ImputedChunk:
        cells = query.read(some)
        found = imputation(model, source, target, cells.scores, cells.covariates, columns, intervals=bool(layers))
        obs = cell_distance(model, source, cells.scores)
        strangers.count(obs.get(DISTANCE))
        imputed = ImputedChunk(found.mean, found.uncertainty, obs)
        return imputed if cells.absent is None else imputed.without(cells.absent)

    return LazyImputation(
        obs=query.obs,
        var=imputability(model, source, target, pd.DataFrame(index=names), columns),
        layers=layers,
        provenance=provenance(source, target, known.target_origin),
        rows=rows,
    )


def _wanted(asked: bool | None, known: bool, n_bytes: int, direction: str) -> bool:
    """Whether intervals come with values of so many bytes."""
    if asked and not known:
        raise DataError(
            "expected a model that has intervals, found none for this direction",
            where=direction,
            fix="train with training.calibration above 0 and more matched cells, or leave intervals out",
        )
    if asked is None and known and n_bytes > LARGEST_WITH_INTERVALS:
        log.info(
            "%s: without standard deviations and intervals, as the values alone take %.1f GiB; intervals can be asked "
            "for (--intervals)",
            *(direction, n_bytes / 2**30),
        )
        return False
    return known if asked is None else asked


def imputation(
    model: TrainedModel,
    source: str,
    target: str,
    scores: NDArray[np.float32],
    covariates: NDArray[np.float32] | None = None,
    columns: NDArray[np.int64] | None = None,
    *,
    intervals: bool = True,
) -> Imputation:
    """Values (n, p) of a modality in its own units, from preprocessed cells (n, d) of another.

    Standard deviations and intervals come with them where the model was calibrated.

    Parameters
    ----------
    model
        Trained.
    source, target
        Modalities.
    scores, covariates
        Of the cells.
    columns
        Features of the target; all by default.
    intervals
        Whether to give them.
    """
    in_units = model.require(target).target_chain.inverse(columns)
    mean = to_dense(in_units(model.impute_scores(source, target, scores, covariates)))
    calibration = model.trust.calibrations.get((source, target))
    if calibration is None or not intervals:
        return Imputation(mean)
    calibration = calibration if columns is None else calibration.subset(columns)
    generator = Context(seed=model.spec.seed, stage="draws").generator()
    drawn = draws(model.networks, source, target, scores, covariates, generator, model.borrowing.get(target))
    variance = variance_of(to_dense(in_units(one)) for one in drawn)
    return Imputation(mean, calibration.sd(mean, variance), *calibration.intervals(mean))


def uncertainty_layers(model: TrainedModel, source: str, target: str) -> tuple[str, ...]:
    """Names of the layers beside imputed values."""
    return UNCERTAINTY if (source, target) in model.trust.calibrations else ()


def imputability(
    model: TrainedModel, source: str, target: str, var: pd.DataFrame, columns: NDArray[np.int64] | None = None
) -> pd.DataFrame:
    """Add the correlation of calibration cells' imputed and measured values to the features of a target."""
    calibration = model.trust.calibrations.get((source, target))
    if calibration is None:
        return var
    values = calibration.imputability if columns is None else calibration.imputability[columns]
    return var.assign(**{IMPUTABILITY: values})


def cell_distance(model: TrainedModel, modality: str, scores: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Column of obs (n,) that says how far cells are from the training cells."""
    distance = model.trust.distances.get(modality)
    return {} if distance is None else {DISTANCE: distance.quantiles(scores)}


class _Strangers:
    """Says so, once, where many cells of a modality are unlike the training cells."""

    def __init__(self, modality: str) -> None:
        self.modality, self.n_cells, self.n_far, self.told = modality, 0, 0, False

    def count(self, distances: NDArray[np.float32] | None) -> None:
        """Count some more cells, by their distance."""
        if distances is None or self.told:
            return
        self.n_cells += len(distances)
        self.n_far += int((distances >= BEYOND).sum())
        if self.n_far > MANY * self.n_cells:
            self.told = True
            log.warning(
                "modality '%s': %d of %d cells are further from the training cells than nearly all cells like those "
                "(%s of 0.99 and more); do not trust what is imputed for them",
                *(self.modality, self.n_far, self.n_cells, DISTANCE),
            )


def provenance(source: str, target: str, origin: str) -> dict[str, str]:
    """Say what imputed values are: from which modality, and in which units."""
    return {"source": source, "target": target, "units": f"as {origin} of {target}"}


def modalities_that_fit(model: TrainedModel, adata: AnnData, max_missing: float) -> list[str]:
    """Modalities of the model that an AnnData may hold, by the features that it has."""
    found = []
    for name, known in model.modalities.items():
        settings = model.spec.modality(name)
        if settings.obsm is not None:
            fits = settings.obsm in adata.obsm
        else:
            names = adata.raw.var_names if reads_raw(adata, settings.layer) else adata.var_names
            fits = known.features.isin(names).mean() >= 1 - max_missing
        found += [name] if fits else []
    return found


def choose_direction(
    model: TrainedModel, present: Collection[str], source: str | None, target: str | None
) -> tuple[str, str]:
    """Return the modality to impute from and the one to impute, where those that are not given follow from the rest.

    Parameters
    ----------
    model
        Trained.
    present
        Modalities that the data may hold.
    source, target
        As given.

    Raises
    ------
    DataError
        Where one of them is unknown to the model, or does not follow.
    """
    for one in (source, target):
        if one is not None:
            model.require(one)
    if source is None and target is not None and len(model.modalities) == 2:
        (source,) = (m for m in model.modalities if m != target)
    if source is None:
        source = _only([m for m in model.modalities if m in present and m != target], "source", "measured", present)
    if target is None:
        others = [m for m in model.modalities if m != source]
        target = _only(others, "to", "imputed", model.modalities)
    return source, target


def _only(candidates: list[str], option: str, role: str, among: Collection[str]) -> str:
    if len(candidates) == 1:
        return candidates[0]
    found = ", ".join(candidates) or f"none among {', '.join(among) or 'those whose features the data have'}"
    fix = f"give --{option} (in Python, {option}=): {' or '.join(candidates)}"
    raise DataError(
        f"expected '{option}', the modality that is {role}, or only one that it can be; found {found}",
        where="impute",
        fix=fix if candidates else f"name the modalities and features as in training, or give --{option}",
    )


def target_columns(model: TrainedModel, target: str, features: Iterable[str]) -> NDArray[np.int64]:
    """Positions of features, each once, among those that the model imputes of a modality.

    Raises
    ------
    DataError
        Where the model has no such modality or feature.
    """
    names, features = model.require(target).target_features, list(dict.fromkeys(features))
    columns = names.get_indexer(pd.Index(features))
    if (columns < 0).any():
        absent = [str(f) for f, column in zip(features, columns, strict=True) if column < 0]
        raise DataError(
            f"expected features of the model, found {len(absent)} other{'s' * (len(absent) > 1)}; "
            f"the first is '{absent[0]}'",
            where=f"modality '{target}'",
            fix=f"its features look like {', '.join(map(repr, names[:3]))}",
        )
    return columns.astype(np.int64)
