"""Regressions beside the networks: fitted on the known pairs, and weighed by errors on cells that are set aside."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import permutations
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from jamie.core.context import Context
from jamie.core.data import Cells
from jamie.core.matrix import to_dense
from jamie.core.row_reader import RowReader, Rows, selected_rows
from jamie.model.prediction import regress
from jamie.model.stacked_regressions import GaussianKernel, StackedRegressions
from jamie.model.trained import TrainedModel
from jamie.preprocess.prepare import Prepared
from jamie.regression.fitted import AffineRegression
from jamie.regression.folds import MIN_PAIRS, make_folds
from jamie.regression.kernel_ridge import FittedKernelRidge
from jamie.regression.pairs import TrainingPairs
from jamie.regression.stack import FittedStack, RegressionStack
from jamie.spec import Spec
from jamie.spec.sections import StackMember
from jamie.training.validation_split import ValidationSplit

log = logging.getLogger(__name__)

EQUAL = 0.5  # weight of the regressions, unless cells set aside tell otherwise
GRID = np.linspace(0, 1, 41)  # of weights, among them EQUAL
CONFIDENCE = 0.95  # with which another weight must do better than EQUAL
MAX_VALUES = 2**24  # of the cells that the weight is chosen on

_TINY = np.finfo(np.float64).tiny

Floats = NDArray[np.float32]
Direction = tuple[str, str]
Indices = NDArray[np.int64]
Impute = Callable[[Direction, int, Indices], Floats]
ToUnits = Callable[[str, Floats], NDArray[np.floating]]


@dataclass(frozen=True)
class OutOfFold:
    """What regressions predict of the pairs that they were fitted on.

    Of those that settings are chosen on, at most `MOST_PAIRS`, it is what regressions fitted without their fold
    predict; of the others what those fitted on all predict, made when it is read.

    Parameters
    ----------
    fitted
        The regressions.
    x
        (n, r) inputs of the pairs.
    left_out
        (l,) pairs that settings were chosen on, in increasing order.
    """

    fitted: FittedStack
    x: Rows
    left_out: Indices

    def __getitem__(self, pairs: Indices) -> Floats:
        """Values (k, t) of some pairs."""
        place = np.searchsorted(self.left_out, pairs).clip(max=len(self.left_out) - 1)
        known = self.left_out[place] == pairs
        values = np.empty((len(pairs), self.fitted.out_of_fold.shape[1]), np.float32)
        values[known] = self.fitted.out_of_fold[place[known]]
        if not known.all():
            values[~known] = self.fitted.predict(self.x[pairs[~known]])
        return values


@dataclass(frozen=True)
class WeighedStack:
    """Regressions of known pairs, and their weight beside another predictor.

    Parameters
    ----------
    module
        Fitted on all pairs.
    out_of_fold
        (n, t) what the regressions predict of each pair, as of `OutOfFold`.
    decision
        Plain values: the weight, and how each regression was tuned.
    """

    module: StackedRegressions
    out_of_fold: OutOfFold
    decision: dict[str, Any]


@dataclass(frozen=True)
class StackFit:
    """Regressions of a model.

    Parameters
    ----------
    stacks
        For source and target; a direction without regressions is absent.
    out_of_fold
        (n, t) what the regressions of a direction predict of each training cell, as in `WeighedStack`; NaN of cells
        without a known partner.
    decisions
        For source and target, plain values: the weights, and how each regression was tuned.
    """

    stacks: dict[Direction, StackedRegressions] = field(default_factory=dict)
    out_of_fold: dict[Direction, Rows] = field(default_factory=dict)
    decisions: dict[Direction, dict[str, Any]] = field(default_factory=dict)


def fit_regressions(
    model: TrainedModel, cells: Prepared, splits: Sequence[ValidationSplit], context: Context
) -> StackFit:
    """Fit the regressions of a model's spec beside its networks.

    Parameters
    ----------
    model
        Its networks are trained.
    cells
        Training cells.
    splits
        Of each member.
    context
        Random numbers.
    """
    if model.spec.model.stack is None:
        return StackFit()

    def impute(direction: Direction, member: int, rows: Indices) -> Floats:
        read = cells.inputs(direction[0], rows)
        return model.impute_by_network(*direction, *read, [model.networks[member]])

    def read(modality: str, rows: Indices) -> Floats:
        return np.ascontiguousarray(model.regression_inputs(modality, *cells.inputs(modality, rows)))

    inputs = {m: RowReader(len(scores), partial(read, m)) for m, scores in cells.scores.items()}
    chains = cells.target_chains
    return fit_stacks(
        cells.cells(),
        inputs,
        splits,
        impute,
        lambda m, values: to_dense(chains[m].inverse_transform(values)),
        model.spec,
        context,
    )


def fit_stacks(
    cells: Cells,
    inputs: Mapping[str, Rows],
    splits: Sequence[ValidationSplit],
    impute: Impute,
    to_units: ToUnits,
    spec: Spec,
    context: Context,
) -> StackFit:
    """Fit the regressions of `model.stack` for every direction that has enough known pairs.

    Directions are left out whose target is not of real numbers. Pairs do not count in which a part of the target was
    not measured.

    Parameters
    ----------
    cells
        Training cells.
    inputs
        (n_m, r) what the regressions read of each modality, an array or rows that are made when they are read.
    splits
        Of the members of the ensemble. Cells that a member was not trained on are a fold of the regressions.
    impute
        Given source and target, a member, and (k,) cells of the source, returns what it imputes, (k, t).
    to_units
        Given a target and preprocessed values (k, t), returns those of its features (k, p): the weights are chosen by
        the features' correlations.
    spec
        Of the model.
    context
        Random numbers.
    """
    fit = StackFit()
    for source, target in permutations(cells.modalities, 2):
        members = regressions_of(spec, target)
        if not members:
            continue
        rows, columns, others = _complete_pairs(cells, source, target)
        if len(rows) < MIN_PAIRS:
            log.info(
                "%s to %s: imputed by the networks alone, since regressions need %d known pairs with the whole target "
                "measured, and there are %d",
                *(source, target, MIN_PAIRS, len(rows)),
            )
            continue
        order = np.argsort(rows)
        stack = fit_stack(
            selected_rows(inputs[source], rows),
            selected_rows(cells.targets[target], columns),
            [order[np.isin(rows[order], set_aside(split, source))] for split in splits],
            _of_pairs(impute, (source, target), rows),
            partial(to_units, target),
            members,
            context.for_stage(f"stack {source} to {target}"),
        )
        log.info("%s to %s: weight %.2f of the regressions", source, target, stack.decision["weight"])
        fit.stacks[source, target] = stack.module
        fit.out_of_fold[source, target] = _of_cells(stack, inputs[source], rows, others)
        fit.decisions[source, target] = stack.decision
    return fit


def _of_cells(stack: WeighedStack, x: Rows, rows: Indices, others: Indices) -> Rows:
    """Return what regressions predict of each cell (n, t).

    Parameters
    ----------
    stack
        Fitted on the pairs.
    x
        (n, r) inputs of the cells.
    rows
        Cells of the pairs.
    others
        Cells of the pairs that the regressions were not fitted on. What is predicted of all remaining cells is NaN.
    """
    pair = np.full(len(x), -1)
    pair[rows] = np.arange(len(rows))
    is_other = np.isin(np.arange(len(x)), others)

    def read(at: Indices) -> Floats:
        values = np.full((len(at), len(stack.module.offset)), np.nan, np.float32)
        paired = pair[at] >= 0
        values[paired] = stack.out_of_fold[pair[at[paired]]]
        values[is_other[at]] = regress(stack.module, x[at[is_other[at]]])
        return values

    return RowReader(len(x), read)


def _of_pairs(impute: Impute, direction: Direction, rows: Indices) -> Callable[[int, Indices], Floats]:
    return lambda member, at: impute(direction, member, rows[at])


def regressions_of(spec: Spec, target: str) -> Sequence[StackMember]:
    """Names of the regressions of a modality; none if it is not of real numbers."""
    real = spec.modality(target).decoder.cls.support == "real"
    return spec.model.stack.members if spec.model.stack and real else ()


def set_aside(split: ValidationSplit, modality: str) -> Indices:
    """Cells of a modality that a member was not trained on."""
    return np.union1d(split.validation[modality], split.calibration[modality])


def fit_stack(
    x: Rows,
    y: Rows,
    held_out: Sequence[Indices],
    impute: Callable[[int, Indices], Floats],
    to_units: Callable[[Floats], NDArray[np.floating]],
    members: Sequence[StackMember],
    context: Context,
) -> WeighedStack:
    """Fit the regressions of `model.stack` on pairs, and weigh them against another predictor.

    Parameters
    ----------
    x, y
        (n, r) inputs and (n, t) targets of the pairs, arrays or rows that are made when they are read.
    held_out
        Pairs that each member of the ensemble was fitted without: a fold of the regressions.
    impute
        The other predictor: given a member and (k,) pairs, returns (k, t).
    to_units
        Given (k, t), returns (k, p): the weight is chosen by the correlations of these.
    members
        Names of the regressions.
    context
        Random numbers.
    """
    generator = context.generator()
    pairs = TrainingPairs.of(x, y, generator, _folds(len(x), held_out, generator))
    fitted = RegressionStack(members=tuple(members)).fit(pairs)
    out_of_fold = OutOfFold(fitted, x, pairs.left_out)
    curves = _correlations(y, out_of_fold, held_out, impute, to_units)
    weight = _choose_weight(curves)
    return WeighedStack(_module(fitted, weight), out_of_fold, _decision(weight, len(x), curves, fitted))


def _complete_pairs(cells: Cells, source: str, target: str) -> tuple[Indices, Indices, Indices]:
    """Return the known pairs of which the whole target was measured, and the source's cells of the other pairs."""
    rows, columns = cells.pairs(source, target)
    complete = np.ones(len(rows), bool)
    if target in cells.measured:
        complete = cells.measured[target].panel[columns] == 0
    return rows[complete], columns[complete], rows[~complete]


def _decision(weight: float, n_pairs: int, curves: NDArray[np.float64], fitted: FittedStack) -> dict[str, Any]:
    """Return plain values that say how the weight was chosen, and the regressions tuned."""
    shown = range(0, len(GRID), 10) if len(curves) else ()
    by_weight = {f"{GRID[i]:g}": round(float(curves[:, i].mean()), 4) for i in shown}
    return {
        "weight": weight,
        "pairs": n_pairs,
        "correlation_by_weight": by_weight,
        "regressions": dict(fitted.tuning),
    }


def _folds(n_pairs: int, held_out: Sequence[Indices], generator: np.random.Generator) -> Indices:
    """Return the fold (n,) of each pair: the member that it was set aside for, or one drawn at random if none was."""
    folds = np.full(n_pairs, -1)
    for member, indices in enumerate(held_out):
        folds[indices[folds[indices] < 0]] = member
    if len(np.unique(folds[folds >= 0])) < 2:  # too few cells are set aside, or there is one member only
        return make_folds(n_pairs, generator)
    rest = np.flatnonzero(folds < 0)
    folds[rest] = generator.permutation(np.arange(len(rest)) % len(held_out))
    return folds


def _correlations(
    targets: Rows,
    out_of_fold: Floats | OutOfFold,
    held_out: Sequence[Indices],
    impute: Callable[[int, Indices], Floats],
    to_units: Callable[[Floats], NDArray[np.floating]],
) -> NDArray[np.float64]:
    """Return the mean correlation (members, weights) of features of cells set aside, for the weights of `GRID`.

    For each member that pairs were set aside for, these are imputed by it and by regressions that were fitted without
    them. The mean of M members varies less than one of them by (1 - 1/M) times the variance between members, which is
    taken off the variance of what one imputes: its correlation is then that of the mean of all.

    Parameters
    ----------
    targets
        (n, t) of the pairs.
    out_of_fold
        (n, t) what the regressions predict of them.
    held_out
        Pairs that were set aside for each member.
    impute
        Given a member and (k,) pairs, returns (k, t).
    to_units
        Given (k, t), returns (k, p).
    """
    curves, members = [], range(len(held_out))
    for member, at in enumerate(held_out):
        if len(at) < 3:
            continue
        most = max(3, MAX_VALUES // to_units(targets[at[:1]]).shape[1])
        at = at if len(at) <= most else at[np.linspace(0, len(at) - 1, most).astype(np.int64)]
        y = to_units(targets[at])
        imputed = [to_units(impute(i, at)) for i in members]
        between = np.var(imputed, axis=0, ddof=1).mean(axis=0) if len(imputed) > 1 else 0.0
        y, f, g = (v - v.mean(axis=0) for v in (y, to_units(out_of_fold[at]), imputed[member]))
        yy, ff, gg, yf, yg, fg = ((a * b).mean(axis=0) for a, b in ((y, y), (f, f), (g, g), (y, f), (y, g), (f, g)))
        gg = np.maximum(gg - (1 - 1 / len(imputed)) * between, fg**2 / np.maximum(ff, _TINY))
        varies = yy > 1e-9 * max(float(yy.max()), _TINY)
        w = GRID[:, None]
        variance = w**2 * ff + 2 * w * (1 - w) * fg + (1 - w) ** 2 * gg
        r = (w * yf + (1 - w) * yg) / np.sqrt(np.maximum(yy * variance, _TINY))
        curves.append(r[:, varies].mean(axis=1))
    return np.array(curves).reshape(len(curves), len(GRID))


def _choose_weight(curves: NDArray[np.float64]) -> float:
    """Return the weight nearest to `EQUAL` that is not significantly worse than the best (t-test over members).

    Equal weights are hard to beat where there are few cells, since the best weight is then mostly noise.

    Parameters
    ----------
    curves
        (members, weights) correlations.
    """
    from scipy.stats import t

    if len(curves) < 2:
        return EQUAL
    lost = curves[:, [curves.mean(axis=0).argmax()]] - curves
    error = lost.std(axis=0, ddof=1) / np.sqrt(len(curves))
    allowed = GRID[lost.mean(axis=0) <= t.ppf((1 + CONFIDENCE) / 2, len(curves) - 1) * error]
    return float(min(allowed, key=lambda weight: abs(weight - EQUAL)))


def _module(fitted: FittedStack, weight: float) -> StackedRegressions:
    """Return the weighted regressions as one module: the affine ones become one map."""
    offset = fitted.mean * (1 - fitted.weights.sum())
    matrix = np.zeros((len(fitted.clip.low), len(fitted.mean)))
    kernels = []
    for w, member in zip(fitted.weights, fitted.members, strict=True):
        if isinstance(member, AffineRegression):
            matrix, offset = matrix + w * member.matrix, offset + w * member.offset
        elif isinstance(member, FittedKernelRidge):
            offset = offset + w * member.offset
            values = {
                "mean": member.mean,
                "axes": member.axes,
                "centers": member.centers,
                "dual": w * member.dual,
                "bandwidth": member.bandwidth,
                "cosine": member.cosine,
            }
            kernels.append(GaussianKernel(**{name: _tensor(value) for name, value in values.items()}))
        else:
            raise TypeError(f"{member.name} has no module")
    arrays = {"weight": weight, "low": fitted.clip.low, "high": fitted.clip.high, "matrix": matrix, "offset": offset}
    return StackedRegressions(**{name: _tensor(value) for name, value in arrays.items()}, kernels=kernels)


def _tensor(value: NDArray[Any] | float) -> torch.Tensor:
    return torch.as_tensor(np.ascontiguousarray(value) if np.ndim(value) else value)
