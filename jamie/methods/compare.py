"""Methods run on the very cells, preprocessing and pairs that the model is trained on."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import permutations
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from jamie.core.context import Context
from jamie.core.data import Cells, Matrix
from jamie.core.errors import DataError, JamieError
from jamie.core.interfaces import Method
from jamie.core.matrix import find_non_finite, row_chunks, to_dense
from jamie.core.resources import ResourceUsage
from jamie.core.schema import fields_of
from jamie.methods.intervals import IntervalPlan, calibrate_method
from jamie.preprocess.chain import Chain
from jamie.preprocess.prepare import Prepared
from jamie.spec.ref import Ref, to_plain
from jamie.trust.calibration import Calibration

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What came of one method.

    Parameters
    ----------
    method
        Its name in tables and files, unique in a run.
    component
        Name of the component.
    parameters
        Of the component.
    status
        ``done``; ``refused`` where the method cannot be used on these cells; ``failed`` where it broke.
    reason
        Why there is no result.
    inductive
        Whether it treats cells that it was not fitted on.
    uses_labels
        Whether it reads the labels of the cells that it imputes from: a control, no method to use.
    preparation, training
        Time and memory of each. The preprocessing, which all methods share, is part of every preparation.
    latents
        (n_m, L) of each modality, rows of NaN for cells that were not embedded.
    imputed
        (n_s, t) values from and to each two modalities, before preprocessing is inverted.
    chains
        Preprocessing of what was imputed.
    calibrations
        Of the directions that have intervals.
    """

    method: str
    component: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    status: Literal["done", "refused", "failed"] = "done"
    reason: str = ""
    inductive: bool = True
    uses_labels: bool = False
    preparation: ResourceUsage | None = None
    training: ResourceUsage | None = None
    latents: Mapping[str, NDArray[np.floating]] = field(default_factory=dict)
    imputed: Mapping[tuple[str, str], NDArray[np.floating]] = field(default_factory=dict)
    chains: Mapping[str, Chain] = field(default_factory=dict)
    calibrations: Mapping[tuple[str, str], Calibration] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """All but the results, for json."""
        results = ("latents", "imputed", "chains", "calibrations")
        kept = {name: value for name, value in vars(self).items() if name not in results}
        kept |= {"embeds": bool(self.latents), "imputes": self.imputes}
        return kept | {name: usage and asdict(usage) for name, usage in self.usage.items()}

    @property
    def imputes(self) -> bool:
        """Whether there are imputed values."""
        return bool(self.imputed)

    @property
    def usage(self) -> dict[str, ResourceUsage | None]:
        """Time and memory by phase."""
        return {"preparation": self.preparation, "training": self.training}

    def in_units(self, source: str, target: str, rows: NDArray[np.int64] | slice) -> Matrix:
        """Imputed values (k, p) of some cells of the source, in the units of the target."""
        return self.chains[target].inverse_transform(self.imputed[source, target][rows].astype(np.float32))

    def bounds(
        self, source: str, target: str, rows: NDArray[np.int64] | slice
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
        """Intervals (k, p) of imputed values; None for a direction that was not calibrated."""
        calibration = self.calibrations.get((source, target))
        return None if calibration is None else calibration.intervals(to_dense(self.in_units(source, target, rows)))


def label_methods(refs: Sequence[Ref[Method]], taken: Sequence[str] = ()) -> dict[str, Ref[Method]]:
    """Name methods by their component, those that would share a name by their parameters as well.

    Parameters
    ----------
    refs
        In the order of the spec.
    taken
        Names that are not free.
    """
    labelled: dict[str, Ref[Method]] = {}
    short = [_with_parameters(ref, settings=False) for ref in refs]
    for ref, parameters in zip(refs, short, strict=True):
        alone = sum(other.name == ref.name for other in refs) == 1 and ref.name not in taken
        unique = short.count(parameters) == 1 and parameters not in taken
        name = ref.name if alone else parameters if unique else _with_parameters(ref)
        name = _with_default(ref) if name in taken else name
        name = name.replace("/", "_")  # HDF5 knows no / in names
        number = 2
        while name in labelled or name in taken:
            name, number = f"{name.split('#')[0]}#{number}", number + 1
        labelled[name] = ref
    return labelled


def _with_parameters(ref: Ref[Method], *, settings: bool = True) -> str:
    """``cca(regularization=0.1)``: the parameters that are not as by default, nested components by their name.

    Of a mapping of `settings` there may be many; without them, the name is short.
    """
    fields = fields_of(ref.cls)
    chosen = {key: value for key, value in ref.params.items() if not _is_default(value, fields[key].default)}
    named = [
        one
        for key, value in chosen.items()
        for one in ((value.items() if settings else ()) if isinstance(value, dict) else [(key, value)])
    ]
    shown = ", ".join(f"{key}={value.name if isinstance(value, Ref) else value}" for key, value in named)
    return f"{ref.name}({shown})" if shown else ref.name


def _with_default(ref: Ref[Method]) -> str:
    """``jamie(spec=default)``: the first parameter, where all are as by default and the name alone is taken."""
    key = next(iter(ref.params), None)
    return ref.name if key is None else f"{ref.name}({key}={ref.params[key]})"


def _is_default(value: Any, default: Any) -> bool:
    return isinstance(default, value.cls) if isinstance(value, Ref) else bool(value == default)


def run_method(
    name: str,
    ref: Ref[Method],
    prepared: Prepared,
    context: Context,
    preprocessing: ResourceUsage | None = None,
    plan: IntervalPlan | None = None,
) -> Outcome:
    """Fit a method on the training cells; let it embed and impute all cells that it can.

    A method that refuses or breaks stops nothing: the outcome says why, and so does a warning.

    Parameters
    ----------
    name
        For the outcome.
    ref
        The component with its parameters.
    prepared
        All cells.
    context
        Randomness, device, progress and memory limit.
    preprocessing
        What the preprocessing took that all methods share.
    plan
        Which methods get intervals, and how; None where no method does.
    """
    log.info("%s: fitting", name)
    try:
        method = ref.build()
        labels = prepared.dataset.labels
        label = labels[0] if "labels" in method.needs and labels else None
        everything = prepared.cells(label)
        train = {m: np.flatnonzero(mask) for m, mask in prepared.split.train.items()}
        method.fit(everything.subset(train), context)
        results = _results(method, everything, train)
        outcome = replace(_outcome(name, ref), chains=prepared.target_chains, **results)
        _require_finite_units(outcome, prepared)
        if plan is not None and ref.name in plan.components and outcome.imputes:
            outcome = replace(outcome, calibrations=calibrate_method(ref, prepared, plan, context, label))
    except (Exception, SystemExit) as error:  # a method of a plugin may raise anything, and must not cost the model
        return left_out(name, ref, error)
    preparation, training = method.usage["preparation"], method.usage["training"]
    log.info("%s: preparation %.1f s, training %.1f s", name, preparation.seconds, training.seconds)
    if preprocessing:
        preparation = together(preprocessing, preparation)
    return replace(outcome, preparation=preparation, training=training)


def left_out(name: str, ref: Ref[Method], error: BaseException) -> Outcome:
    """Return the outcome of a method that refuses, or that broke, and warn of it."""
    if isinstance(error, JamieError):
        log.warning("%s is left out: %s", name, error)
        return replace(_outcome(name, ref), status="refused", reason=str(error))
    reason = f"{type(error).__name__}: {error}"
    log.warning("%s is left out, since it failed: %s", name, reason, exc_info=error)
    return replace(_outcome(name, ref), status="failed", reason=reason)


def _outcome(name: str, ref: Ref[Method]) -> Outcome:
    """Return what is known of a method before it is fitted."""
    cls: type[Method] = ref.cls
    return Outcome(name, ref.name, to_plain(ref.params), inductive=cls.inductive, uses_labels="labels" in cls.needs)


def together(first: ResourceUsage, second: ResourceUsage) -> ResourceUsage:
    """Two pieces of work, one after the other."""
    return ResourceUsage(round(first.seconds + second.seconds, 3), max(first.peak_memory_mib, second.peak_memory_mib))


def _results(method: Method, cells: Cells, train: Mapping[str, NDArray[np.int64]]) -> dict[str, Any]:
    """Latents and imputed values of all cells, as far as the method gives them; all of them finite."""
    found: dict[str, Any] = {}
    scores, labels, covariates = cells.scores, cells.labels, cells.covariates
    if method.embeds() and method.inductive:
        found["latents"] = embedded = method.embed(scores, covariates)
        _require_finite(method, "latents", embedded.values())
    elif method.embeds():
        embedded = method.embed({m: scores[m][rows] for m, rows in train.items()})
        _require_finite(method, "latents", embedded.values())
        found["latents"] = {m: _spread(z, train[m], len(scores[m])) for m, z in embedded.items()}
    if method.imputes():
        found["imputed"] = {
            (a, b): method.impute(scores[a], a, b, labels.get(a), covariates.get(a)).mean
            for a, b in permutations(scores, 2)
        }
        _require_finite(method, "imputed values", found["imputed"].values())
    return found


def _require_finite(method: Method, what: str, values: Iterable[NDArray[np.floating]]) -> None:
    if not all(np.isfinite(one).all() for one in values):
        raise _not_finite(method.name, what)


def _require_finite_units(outcome: Outcome, prepared: Prepared) -> None:
    """Refuse imputed values that preprocessing does not take back to units, such as logarithms of no number."""
    for (a, b), values in outcome.imputed.items():
        for rows in row_chunks(len(values), len(prepared.dataset.modalities[b].target.features)):
            with np.errstate(over="ignore"):
                if find_non_finite(outcome.in_units(a, b, rows)):
                    raise _not_finite(outcome.component, f"values of {b} imputed from {a}, in units")


def _not_finite(method: str, what: str) -> DataError:
    return DataError(f"expected finite {what}, found others", where=f"method '{method}'", fix="leave it out")


def _spread(z: NDArray[np.floating], rows: NDArray[np.int64], n: int) -> NDArray[np.floating]:
    """Put the latents of some cells among those of all; NaN for the others."""
    full = np.full((n, z.shape[1]), np.nan, z.dtype)
    full[rows] = z
    return full
