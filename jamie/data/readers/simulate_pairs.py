"""Simulated cells of two modalities in any number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from scipy import sparse

from jamie.core.context import Context
from jamie.core.errors import DataError
from jamie.core.interfaces.data import Reader
from jamie.data.assemble import assemble
from jamie.data.simulation.cells import (
    cell_names,
    require_distinct_modalities,
    require_memory,
    require_valid_parameters,
)
from jamie.data.writing.row_blocks import RowSource

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

BLOCK = 65_536  # cells at a time
COUNT_BLOCK = 4096  # cells of counts at a time, which are drawn in double precision
EXPRESSION_SD = 1.0  # of the logarithm of a feature's mean count
DEPTH_SD = 0.3  # of the logarithm of a cell's total
N_WAVES = 8
BEND = 0.3  # amplitude of the waves, where a latent dimension has standard deviation 1 within a type
FREQUENCY_RATIO = 0.8  # of each type to the one before it: equally frequent types could be exchanged

Generator = np.random.Generator
Floats = NDArray[np.float32]


@dataclass(kw_only=True, eq=False)
class SimulatePairs(Reader):
    r"""Simulated cells of two modalities that share types and a continuous latent space, in any number of cells.

    A cell lies at :math:`z = \mu_t + S_t \epsilon` in the latent space, t being its type. Modality m measures
    :math:`x = Q_m \phi_m(z) + \sigma \epsilon`, where :math:`\phi_m` holds z itself and weak random waves of it,
    and Q_m has orthonormal columns where there are features enough, so that distances between cells nearly agree
    across modalities. Everything is drawn in blocks, in single precision: a million cells of 50 features take
    seconds. Where `mean_counts` is given, a modality holds sparse Poisson counts of rate :math:`\exp(x)`, times a
    mean that differs between features and a depth that differs between cells.

    Parameters
    ----------
    n_cells
        Cells of each modality.
    n_features
        Features of the two modalities.
    modalities
        Names of the two modalities.
    n_types
        Cell types; each is a fifth rarer than the one before.
    n_latent
        Dimensions of the latent space.
    separation
        Distance between the centers of two types, in units of the mean extent of a type.
    noise
        Standard deviation of the noise, where the mean feature has variance 1 without it.
    overlap
        Fraction of the cells that are measured in both modalities, under one name; the others belong to one alone.
    n_linked
        Features that measure the same in both modalities and have the same name there, such as a gene and its
        activity; the others have names of their own.
    mean_counts
        Mean count of the features of each modality; real values, which are not counts, by default.
    imbalance
        How different the types' proportions are among the cells that belong to one modality alone: 0, as among the
        others; 1, as among the others in the first modality and in reversed order in the second.
    seed
        Seed of the simulation; independent of the run's, so that runs with several seeds see the same cells.
    """

    name = "simulate_pairs"
    references = ()

    n_cells: Annotated[int, Field(ge=3)] = 1000
    n_features: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] = (50, 50)
    modalities: tuple[str, str] = ("modality1", "modality2")
    n_types: Annotated[int, Field(ge=1)] = 8
    n_latent: Annotated[int, Field(ge=1)] = 6
    separation: Annotated[float, Field(ge=0)] = 3.0
    noise: Annotated[float, Field(ge=0)] = 0.3
    overlap: Annotated[float, Field(ge=0, le=1)] = 1.0
    n_linked: Annotated[int, Field(ge=0)] = 0
    mean_counts: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] | None = None
    imbalance: Annotated[float, Field(ge=0, le=1)] = 0.0
    seed: Annotated[int, Field(ge=0)] = 0

    @classmethod
    def test_params(cls) -> dict[str, object]:
        return {"n_cells": 24, "n_features": (7, 9), "n_types": 3, "n_latent": 4, "n_linked": 2}

    def _read(self, context: Context) -> MuData:
        self._check()
        # real values are drawn in single precision; of counts, those above 0 are stored
        shares = (1 / 3, 1 / 3) if self.mean_counts is None else (min(1.0, mean) for mean in self.mean_counts)
        n_stored = sum(share * n for share, n in zip(shares, self.n_features, strict=True))
        require_memory(self, self.n_cells * n_stored, context)
        return assemble({name: source.collect() for name, source in self.row_sources().items()})

    def row_sources(self) -> Mapping[str, RowSource]:
        """Return the modalities by name; counts are drawn while they are read, a block of cells at a time.

        Raises
        ------
        DataError
            Where the parameters do not describe a simulation.
        """
        self._check()
        generator = np.random.default_rng(self.seed)
        # of unit length on average, so that two centers are `separation` apart where types have unit extent
        centers = generator.normal(size=(self.n_types, self.n_latent)) * self.separation / np.sqrt(2)
        extents = generator.uniform(0.4, 1.6, size=(self.n_types, self.n_latent))
        frequencies = FREQUENCY_RATIO ** np.arange(self.n_types)
        n_shared = round(self.overlap * self.n_cells)
        shared = _draw_types(n_shared, frequencies, generator)
        positions = _draw_positions(shared, centers, extents, generator)
        linked = _orthonormal(self.n_latent, self.n_linked, generator)
        simulated = {}
        for number, (modality, n_features) in enumerate(zip(self.modalities, self.n_features, strict=True)):
            # the first modality's unshared cells have the proportions of the others
            proportions = frequencies + number * self.imbalance * (frequencies[::-1] - frequencies)
            unshared = _draw_types(self.n_cells - n_shared, proportions, generator)
            types = np.concatenate([shared, unshared])
            z = np.concatenate([positions, _draw_positions(unshared, centers, extents, generator)])
            # Partners must not sit in the same row: nothing downstream may profit from that.
            order = generator.permutation(self.n_cells)
            names = cell_names(modality, order, n_shared, self.n_cells)
            measurement = self._measurement(n_features, linked, generator)
            if self.mean_counts is None:
                values = measurement.values(z[order], generator)
                blocks = partial(iter, [values])
            else:
                seed = int(generator.integers(2**63))
                blocks = partial(measurement.counts, z[order], self.mean_counts[number], seed)
            simulated[modality] = RowSource(self._annotations(names, types[order], n_features, modality), blocks)
        return simulated

    def _annotations(self, names: pd.Index, types: NDArray[np.int64], n_features: int, modality: str) -> AnnData:
        """Names and types of the cells, and names of the features; without values."""
        from anndata import AnnData

        labels = pd.Categorical.from_codes(types, pd.Index([f"type_{t}" for t in range(self.n_types)]))
        obs = pd.DataFrame({"cell_type": labels}, index=names)
        # names that only number the features would not be taken for links
        linked = [f"feature_{j}_linked" for j in range(self.n_linked)]
        features = [*linked, *(f"{modality}_{j}" for j in range(self.n_linked, n_features))]
        return AnnData(obs=obs, var=pd.DataFrame(index=pd.Index(features)))

    def _measurement(self, n_features: int, linked: Floats, generator: Generator) -> _Measurement:
        """Draw how a modality measures cells."""
        frequency = generator.normal(scale=0.5, size=(self.n_latent, N_WAVES)).astype(np.float32)
        phase = generator.uniform(0, 2 * np.pi, N_WAVES).astype(np.float32)
        mixing = _orthonormal(self.n_latent + N_WAVES, n_features, generator)
        mixing[:, : self.n_linked] = 0
        mixing[: self.n_latent, : self.n_linked] = linked
        return _Measurement(frequency, phase, mixing, np.float32(self.noise))

    def _check(self) -> None:
        where = f"reader '{self.name}'"
        require_valid_parameters(self)
        require_distinct_modalities(self, self.modalities)
        if self.n_linked > min(self.n_features):
            raise DataError(
                f"expected at most as many linked features as a modality has, {min(self.n_features)}, found "
                f"{self.n_linked}",
                where=f"{where}, n_linked",
            )
        if self.imbalance and self.overlap == 1:
            raise DataError(
                "expected cells that belong to one modality alone, whose types imbalance could change, found none",
                where=f"{where}, imbalance",
                fix="set overlap below 1: a cell that is measured twice has one type",
            )


@dataclass(frozen=True)
class _Measurement:
    """What a modality measures of a cell at z: `mixing` (n_latent + N_WAVES, p) of z itself and waves of it."""

    frequency: Floats
    phase: Floats
    mixing: Floats
    noise: np.float32

    def values(self, z: Floats, generator: Generator) -> Floats:
        """(n, p) real values of cells at z (n, n_latent)."""
        X = np.empty((len(z), self.mixing.shape[1]), np.float32)
        for rows in _blocks(len(z), BLOCK):
            X[rows] = self._signal(z[rows])
        X /= np.sqrt(X.var(axis=0).mean()) or 1
        for rows in _blocks(len(z), BLOCK):
            X[rows] += self.noise * generator.standard_normal(X[rows].shape, np.float32)
        return X

    def counts(self, z: Floats, mean_count: float, seed: int) -> Iterator[sparse.csr_array]:
        """Blocks of rows of counts (n, p), the same at each call; units are found from the first block."""
        generator = np.random.default_rng(seed)
        expression = np.exp(EXPRESSION_SD * generator.standard_normal(self.mixing.shape[1], np.float32))
        center, spread, unit = None, 1.0, 1.0
        for rows in _blocks(len(z), COUNT_BLOCK):
            X = self._signal(z[rows])
            first = center is None
            if center is None:
                center, spread = X.mean(axis=0), np.sqrt(X.var(axis=0).mean()) or 1.0
            X = (X - center) / spread + self.noise * generator.standard_normal(X.shape, np.float32)
            depth = np.exp(DEPTH_SD * generator.standard_normal((len(X), 1), np.float32))
            rate = np.exp(X) * expression * depth
            unit = mean_count / float(rate.mean()) if first else unit
            yield sparse.csr_array(generator.poisson(unit * rate).astype(np.float32))

    def _signal(self, z: Floats) -> Floats:
        waves = BEND * np.sin(z @ self.frequency + self.phase)
        signal: Floats = np.hstack([z, waves]) @ self.mixing
        return signal


def _blocks(n: int, size: int) -> Iterator[slice]:
    return (slice(start, start + size) for start in range(0, n, size))


def _draw_types(n_cells: int, proportions: NDArray[np.floating], generator: Generator) -> NDArray[np.int64]:
    """(n_cells,) number of each cell's type."""
    return generator.choice(len(proportions), size=n_cells, p=proportions / proportions.sum())


def _draw_positions(
    types: NDArray[np.int64], centers: NDArray[np.floating], extents: NDArray[np.floating], generator: Generator
) -> Floats:
    """(n, n_latent) positions of cells of these types in the latent space."""
    z = generator.standard_normal((len(types), centers.shape[1]), np.float32)
    z *= extents.astype(np.float32)[types]
    z += centers.astype(np.float32)[types]
    return z


def _orthonormal(n_in: int, n_out: int, generator: Generator) -> Floats:
    """(n_in, n_out) random map that keeps lengths where n_out allows it."""
    drawn = generator.normal(size=(max(n_in, n_out), min(n_in, n_out)))
    basis = np.linalg.qr(drawn)[0]
    return (basis.T if n_in <= n_out else basis).astype(np.float32)
