"""Simulated cells of two modalities in any number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from jamie.core.context import Context
from jamie.core.errors import DataError
from jamie.core.interfaces.data import Reader
from jamie.data.assemble import assemble
from jamie.data.simulation.cells import cell_names, require_distinct_modalities, require_valid_parameters

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

BLOCK = 65_536  # cells at a time
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
    seconds.

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
    imbalance: Annotated[float, Field(ge=0, le=1)] = 0.0
    seed: Annotated[int, Field(ge=0)] = 0

    @classmethod
    def test_params(cls) -> dict[str, object]:
        return {"n_cells": 24, "n_features": (7, 9), "n_types": 3, "n_latent": 4, "n_linked": 2}

    def _read(self, context: Context) -> MuData:
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
            X = self._measure(z[order], n_features, linked, generator)
            simulated[modality] = self._annotated(X, names, types[order], modality)
        return assemble(simulated)

    def _annotated(self, X: Floats, names: pd.Index, types: NDArray[np.int64], modality: str) -> AnnData:
        from anndata import AnnData

        labels = pd.Categorical.from_codes(types, pd.Index([f"type_{t}" for t in range(self.n_types)]))
        obs = pd.DataFrame({"cell_type": labels}, index=names)
        # names that only number the features would not be taken for links
        linked = [f"feature_{j}_linked" for j in range(self.n_linked)]
        features = [*linked, *(f"{modality}_{j}" for j in range(self.n_linked, X.shape[1]))]
        var = pd.DataFrame(index=pd.Index(features))
        return AnnData(X, obs=obs, var=var)

    def _measure(self, z: Floats, n_features: int, linked: Floats, generator: Generator) -> Floats:
        """(n, n_features) what a modality measures of cells at z (n, n_latent)."""
        frequency = generator.normal(scale=0.5, size=(self.n_latent, N_WAVES)).astype(np.float32)
        phase = generator.uniform(0, 2 * np.pi, N_WAVES).astype(np.float32)
        mixing = _orthonormal(self.n_latent + N_WAVES, n_features, generator)
        mixing[:, : self.n_linked] = 0
        mixing[: self.n_latent, : self.n_linked] = linked
        X = np.empty((len(z), n_features), np.float32)
        for rows in _blocks(len(z)):
            waves = BEND * np.sin(z[rows] @ frequency + phase)
            X[rows] = np.hstack([z[rows], waves]) @ mixing
        X /= np.sqrt(X.var(axis=0).mean()) or 1
        for rows in _blocks(len(z)):
            X[rows] += np.float32(self.noise) * generator.standard_normal(X[rows].shape, np.float32)
        return X

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


def _blocks(n: int) -> Iterator[slice]:
    return (slice(start, start + BLOCK) for start in range(0, n, BLOCK))


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
