"""Fitting of a method on the cells, preprocessing and known pairs that the model is trained on."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from jamie.core.context import Context
from jamie.core.data import Cells, Matrix
from jamie.core.errors import DataError, JamieError
from jamie.core.interfaces import Method
from jamie.core.matrix import find_non_finite, row_chunks, to_dense
from jamie.core.resources import ResourceUsage
from jamie.core.row_reader import KeptRows
from jamie.methods.intervals import IntervalPlan, calibrate_method
from jamie.methods.result import Bounds, Columns, Direction, MethodResult, Rows, Values
from jamie.preprocess.chain import Chain
from jamie.preprocess.prepare import Prepared
from jamie.spec.ref import Ref, to_plain
from jamie.trust.calibration import Calibration

log = logging.getLogger(__name__)


def run_method(
    name: str,
    ref: Ref[Method],
    prepared: Prepared,
    context: Context,
    preprocessing: ResourceUsage | None = None,
    plan: IntervalPlan | None = None,
) -> MethodResult:
    """Fit a method on the training cells; let it embed and impute all cells that it can.

    A method that refuses or breaks stops nothing: the result says why, and so does a warning.

    Parameters
    ----------
    name
        For the result.
    ref
        The component with its parameters.
    prepared
        All cells.
    context
        Randomness, device, progress and memory limit.
    preprocessing
        Time and memory of the preprocessing that all methods share.
    plan
        Which methods get intervals, and how; None if no method does.
    """
    log.info("%s: fitting", name)
    try:
        method = ref.build()
        label = training_label(ref, prepared)
        cells = prepared.cells(label)
        train = {m: np.flatnonzero(mask) for m, mask in prepared.split.train.items()}
        method.fit(cells.subset(train), context)
        latents = _latents(method, cells, train)
        imputed = values_in_units(_impute(method, cells), prepared.target_chains)
        require_finite_units(method.name, imputed, prepared)
        calibrations = {}
        if plan is not None and ref.name in plan.components and imputed:
            calibrations = calibrate_method(ref, prepared, plan, context, label)
    except (Exception, SystemExit) as error:  # a method of a plugin may raise anything, and must not cost the model
        return failed_method(name, ref, error)
    preparation, training = method.usage["preparation"], method.usage["training"]
    log.info("%s: preparation %.1f s, training %.1f s", name, preparation.seconds, training.seconds)
    return replace(
        _without_values(name, ref),
        tuning=method.tuning,
        preparation=add_usage(preprocessing, preparation) if preprocessing else preparation,
        training=training,
        latents=latents,
        imputed=imputed,
        intervals=bounds_in_units(imputed, calibrations),
    )


def training_label(ref: Ref[Method], prepared: Prepared) -> str | None:
    """Return the column of obs that a method may read; None where it reads none, or there is none."""
    labels = prepared.dataset.labels
    return labels[0] if "labels" in ref.cls.needs and labels else None


def failed_method(name: str, ref: Ref[Method], error: BaseException) -> MethodResult:
    """Return the result of a method that refuses, or that broke, and warn of it."""
    if isinstance(error, JamieError):
        log.warning("%s is left out: %s", name, error)
        return replace(_without_values(name, ref), status="refused", reason=str(error))
    reason = f"{type(error).__name__}: {error}"
    log.warning("%s is left out, since it failed: %s", name, reason, exc_info=error)
    return replace(_without_values(name, ref), status="failed", reason=reason)


def values_in_units(
    imputed: Mapping[Direction, NDArray[np.floating] | KeptRows], chains: Mapping[str, Chain]
) -> dict[Direction, Values]:
    """Return imputed values, whose preprocessing is inverted for the cells that are read.

    Parameters
    ----------
    imputed
        (n_s, t) preprocessed values for source and target.
    chains
        Preprocessing of the target of each modality.
    """
    return {(a, b): partial(_in_units, values, chains[b]) for (a, b), values in imputed.items()}


def _in_units(values: NDArray[np.floating] | KeptRows, chain: Chain, rows: Rows, columns: Columns = None) -> Matrix:
    return chain.inverse(columns)(values[rows].astype(np.float32))


def bounds_in_units(
    imputed: Mapping[Direction, Values], calibrations: Mapping[Direction, Calibration]
) -> dict[Direction, Bounds]:
    """Return the intervals of imputed values for the directions that were calibrated."""
    return {direction: partial(_bounds, imputed[direction], fit) for direction, fit in calibrations.items()}


def _bounds(
    imputed: Values, calibration: Calibration, rows: Rows, columns: Columns = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    if columns is None:
        return calibration.intervals(to_dense(imputed(rows)))
    return calibration.subset(columns).intervals(to_dense(imputed(rows, columns)))


def add_usage(first: ResourceUsage, second: ResourceUsage) -> ResourceUsage:
    """Time and memory of one piece of work after another."""
    return ResourceUsage(
        round(first.seconds + second.seconds, 3),
        max(first.peak_memory_mib, second.peak_memory_mib),
        round(first.processor_seconds + second.processor_seconds, 3),
    )


def _without_values(name: str, ref: Ref[Method]) -> MethodResult:
    return MethodResult(
        name, ref.name, to_plain(ref.params), inductive=ref.cls.inductive, uses_labels="labels" in ref.cls.needs
    )


def _latents(
    method: Method, cells: Cells, train: Mapping[str, NDArray[np.int64]]
) -> Mapping[str, NDArray[np.floating]]:
    """Return the latents (n_m, L) of all cells; rows of NaN for cells that the method cannot embed."""
    if not method.embeds():
        return {}
    embeds_any = method.inductive
    fitted = method.embed(cells.scores, cells.covariates) if embeds_any else method.embed(cells.subset(train).scores)
    require_finite(method.name, "latents", fitted.values())
    if embeds_any:
        return fitted
    latents = {m: np.full((cells.views[m].n_cells, z.shape[1]), np.nan, z.dtype) for m, z in fitted.items()}
    for m, z in fitted.items():
        latents[m][train[m]] = z
    return latents


def _impute(method: Method, cells: Cells) -> dict[Direction, NDArray[np.floating]]:
    """Return preprocessed values (n_s, t) for every source and target; none if the method does not impute."""
    if not method.imputes():
        return {}
    imputed = {
        (a, b): method.impute(cells.scores[a], a, b, cells.labels.get(a), cells.covariates.get(a)).mean
        for a, b in permutations(cells.modalities, 2)
    }
    require_finite(method.name, "imputed values", imputed.values())
    return imputed


def require_finite(method: str, what: str, values: Iterable[NDArray[np.floating]]) -> None:
    """Refuse latents or imputed values that are not finite.

    Raises
    ------
    DataError
        Naming the method.
    """
    if not all(np.isfinite(array).all() for array in values):
        raise _not_finite(method, what)


def require_finite_units(method: str, imputed: Mapping[Direction, Values], prepared: Prepared) -> None:
    """Refuse imputed values that are not finite in units, such as the exponential of a large number.

    Raises
    ------
    DataError
        Naming the method and the direction.
    """
    for (a, b), values in imputed.items():
        target, n_cells = prepared.dataset.modalities[b].target, prepared.dataset.sizes[a]
        for rows in row_chunks(n_cells, len(target.features)):
            with np.errstate(over="ignore"):
                if find_non_finite(values(rows)):
                    raise _not_finite(method, f"values of {b} imputed from {a}, in units")


def _not_finite(method: str, what: str) -> DataError:
    return DataError(f"expected finite {what}, found others", where=f"method '{method}'", fix="leave it out")
