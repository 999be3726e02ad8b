"""Decompositions that serve all settings of a regression that is linear in its inputs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Splits = Iterable[tuple[NDArray[np.int64], NDArray[np.int64]]]

_RANK = 1e-12  # relative to the largest eigenvalue


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Eigenvectors V of ``Z' Z = V diag(s^2) V'`` for centered inputs Z, and what else fitting takes.

    Parameters
    ----------
    mean : (q,)
        Of the inputs.
    target_mean : (r,)
        Of the targets.
    values : (k,)
        s^2, of the directions in which inputs vary.
    vectors : (q, k)
        V.
    cross : (k, r)
        V' Z' Y for centered targets Y.
    """

    mean: Floats
    target_mean: Floats
    values: Floats
    vectors: Floats
    cross: Floats

    @classmethod
    def of(cls, parts: Iterable[tuple[Floats, Floats]]) -> Spectrum:
        """Decompose inputs (n, q) of targets (n, r), given in parts, whose means should be near 0."""
        n, z_sum, y_sum, zz, zy = reduce(_add, (_sums(z, y) for z, y in parts))
        values, vectors = np.linalg.eigh(zz - np.outer(z_sum, z_sum) / n)
        kept = values > max(_RANK * values[-1], np.finfo(float).tiny)
        kept[-1] = True  # of constant inputs one direction is left, which explains nothing
        values, vectors = values[kept][::-1], vectors[:, kept][:, ::-1]
        cross = vectors.T @ (zy - np.outer(z_sum, y_sum) / n)
        return cls(z_sum / n, y_sum / n, values, vectors, cross)

    def predict(self, weights: Floats, z: Floats) -> Floats:
        """(n, r) targets of inputs (n, q) for weights (k, r) of the directions V."""
        return np.asarray(self.target_mean + ((z - self.mean) @ self.vectors) @ weights)


def _sums(z: Floats, y: Floats) -> tuple[Any, ...]:
    return len(z), z.sum(axis=0), y.sum(axis=0), z.T @ z, z.T @ y


def _add(first: tuple[Any, ...], second: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(a + b for a, b in zip(first, second, strict=True))


@dataclass(frozen=True, eq=False)
class FoldSpectrum:
    """A fold: the decomposition of the other folds, and the pairs left out, centered among themselves.

    The pairs left out are turned so that there are no more than directions, which leaves the errors of linear maps as
    they are.

    Parameters
    ----------
    spectrum
        Of the pairs of the other folds.
    inputs : (l, k)
        Inputs of the pairs left out, along the directions of the spectrum.
    targets : (l, r)
        Their targets.
    unexplained : (r,)
        Squares of the targets that no linear map explains.
    """

    spectrum: Spectrum
    inputs: Floats
    targets: Floats
    unexplained: Floats

    @classmethod
    def of(cls, spectrum: Spectrum, inputs: Floats, targets: Floats) -> FoldSpectrum:
        """Center and turn the inputs (l, q) and targets (l, r) of the pairs left out."""
        a, y = (inputs - inputs.mean(axis=0)) @ spectrum.vectors, targets - targets.mean(axis=0)
        if a.shape[0] <= a.shape[1]:
            return cls(spectrum, a, y, np.zeros(y.shape[1]))
        basis, a = np.linalg.qr(a)
        turned = basis.T @ y
        return cls(spectrum, a, turned, (y**2).sum(axis=0) - (turned**2).sum(axis=0))

    def errors(self, weights: Floats) -> Floats:
        """(r,) squared errors of weights (k, r) in the pairs left out."""
        return np.asarray(((self.targets - self.inputs @ weights) ** 2).sum(axis=0) + self.unexplained)


def decompose_folds(z: Floats, left_out: Floats, y: Floats, splits: Splits) -> list[FoldSpectrum]:
    """Decompose the inputs of every fold.

    Parameters
    ----------
    z, left_out
        (n, q) inputs, and the same as they are when their pair is left out.
    y
        (n, r) targets.
    splits
        For each fold, the pairs to fit on and those left out.
    """
    return [FoldSpectrum.of(Spectrum.of([(z[inner], y[inner])]), left_out[outer], y[outer]) for inner, outer in splits]
