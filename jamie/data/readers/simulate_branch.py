"""Simulated cells on a branching manifold."""

from __future__ import annotations

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
from jamie.data.simulation.cells import (
    cell_names,
    require_distinct_modalities,
    require_memory,
    require_valid_parameters,
)

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

N_WAVES = 4
WIDTH = 0.06  # half-width of a branch; the manifold is a plane's branching region, not a curve


@dataclass(kw_only=True, eq=False)
class SimulateBranch(Reader):
    r"""Simulated cells on a branching two-dimensional manifold, seen in two or more modalities.

    A cell lies at u in the plane, on one of several branches that leave the origin in equal angles. Modality m
    measures :math:`x = A_m \phi_m(u) + \sigma \epsilon`, where :math:`\phi_m` holds u itself and smooth random
    waves of it, A_m is a random linear map with unit variance per feature on average, and the noise is Gaussian.
    This is the setting of the MMD-MA simulation: 300 cells, three branches, 1,000 and 2,000 features.

    Parameters
    ----------
    n_cells
        Cells of each modality.
    n_features
        Features of each modality; its length is the number of modalities.
    modalities
        Names of the modalities; `modality1`, `modality2`, ... by default.
    lengths
        Length of each branch, in units of the longest. Branches of equal length cannot be told apart without
        known pairs.
    noise
        Standard deviation of the noise, where the mean feature has variance 1 without it.
    overlap
        Fraction of the cells that are measured in every modality; the others belong to one modality alone.
    seed
        Seed of the simulation; independent of the run's, so that runs with several seeds see the same cells.
    """

    name = "simulate_branch"
    references = ("10.4230/LIPIcs.WABI.2019.10",)

    n_cells: Annotated[int, Field(ge=3)] = 300
    n_features: tuple[Annotated[int, Field(ge=1)], ...] = (1000, 2000)
    modalities: tuple[str, ...] | None = None
    lengths: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)] = (1.0, 0.75, 0.5)
    noise: Annotated[float, Field(ge=0)] = 0.1
    overlap: Annotated[float, Field(ge=0, le=1)] = 1.0
    seed: Annotated[int, Field(ge=0)] = 0

    @classmethod
    def test_params(cls) -> dict[str, object]:
        return {"n_cells": 24, "n_features": (7, 9)}

    def __post_init__(self) -> None:
        self.modalities = tuple(self.modalities or (f"modality{i + 1}" for i in range(len(self.n_features))))

    def _read(self, context: Context) -> MuData:
        self._check()
        require_memory(self, self.n_cells * sum(self.n_features), context)
        generator = np.random.default_rng(self.seed)
        n_shared = round(self.overlap * self.n_cells)
        shared = self._draw_cells(n_shared, generator)
        simulated = {}
        for modality, n_features in zip(self.modalities or (), self.n_features, strict=True):
            unshared = self._draw_cells(self.n_cells - n_shared, generator)
            names = cell_names(modality, np.arange(self.n_cells), n_shared, self.n_cells)
            cells = pd.concat([shared, unshared], ignore_index=True).set_axis(names)
            # Partners must not sit in the same row: nothing downstream may profit from that.
            cells = cells.iloc[generator.permutation(self.n_cells)]
            simulated[modality] = self._measure(cells, n_features, generator)
        return assemble(simulated)

    def _draw_cells(self, n_cells: int, generator: np.random.Generator) -> pd.DataFrame:
        """Draw cells: their branch, and their position u on the manifold."""
        n_branches = len(self.lengths)
        branch = generator.permutation(np.arange(n_cells) % n_branches)
        along = np.asarray(self.lengths)[branch] * generator.uniform(0, 1, n_cells)
        across = generator.uniform(-WIDTH, WIDTH, n_cells)
        angle = np.pi / 2 + 2 * np.pi * branch / n_branches
        names = [f"branch_{b}" for b in range(n_branches)]
        return pd.DataFrame(
            {
                "cell_type": pd.Categorical([names[b] for b in branch], names),
                "u1": along * np.cos(angle) - across * np.sin(angle),
                "u2": along * np.sin(angle) + across * np.cos(angle),
            }
        )

    def _measure(self, cells: pd.DataFrame, n_features: int, generator: np.random.Generator) -> AnnData:
        from anndata import AnnData

        position = cells[["u1", "u2"]].to_numpy()
        signal = _smooth_features(position, generator) @ generator.normal(size=(N_WAVES + 2, n_features))
        signal /= np.sqrt(signal.var(axis=0).mean())
        X = signal + self.noise * generator.normal(size=signal.shape)
        var = pd.DataFrame(index=pd.Index([f"feature_{j}" for j in range(n_features)]))
        adata = AnnData(X.astype(np.float32), obs=cells[["cell_type"]].copy(), var=var)
        adata.obsm["X_manifold"] = position
        return adata

    def _check(self) -> None:
        require_valid_parameters(self)
        if len(self.n_features) < 2 or len(self.modalities or ()) != len(self.n_features):
            raise DataError(
                f"expected a number of features for each of two or more modalities, found {len(self.n_features)} for "
                f"{len(self.modalities or ())}",
                where=f"reader '{self.name}'",
                fix="give n_features and modalities of equal length, such as [1000, 2000] and [rna, atac]",
            )
        require_distinct_modalities(self, self.modalities or ())


def _smooth_features(position: NDArray[np.float64], generator: np.random.Generator) -> NDArray[np.float64]:
    """Map u (n, 2) to u itself and weaker random waves of it (n, 2 + N_WAVES): curved, but near to an isometry."""
    frequency = generator.normal(scale=2.0, size=(2, N_WAVES))
    phase = generator.uniform(0, 2 * np.pi, N_WAVES)
    return np.hstack([position, 0.3 * np.sin(position @ frequency + phase)])
