"""Readers for `three_modalities.yaml` and `batches.yaml`: what real measurements lack, or have that they should not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from jamie import Context, Reader
from jamie.data.assemble import assemble
from jamie.data.readers.mudata import MuDataReader

if TYPE_CHECKING:
    from mudata import MuData


class SplitFeatures(Reader):
    """A MuData file, of which one modality is divided into several, by its features at random.

    Parameters
    ----------
    path
        The .h5mu file or .zarr folder.
    modality
        The modality to divide; its parts are called ``rna_1``, ``rna_2`` and so on.
    parts
        How many.
    seed
        Seed of the division.
    """

    name = "split_features"

    def __init__(
        self, *, path: Path, modality: str = "rna", parts: Annotated[int, Field(ge=2)] = 2, seed: int = 0
    ) -> None:
        self.path, self.modality, self.parts, self.seed = Path(path), modality, parts, seed

    def _read(self, context: Context) -> MuData:
        modalities = dict(MuDataReader(path=self.path).read(context).mod)
        whole = modalities.pop(self.modality)
        order = np.random.default_rng(self.seed).permutation(whole.n_vars)
        parts = {
            f"{self.modality}_{i}": whole[:, np.sort(columns)].copy()
            for i, columns in enumerate(np.array_split(order, self.parts), start=1)
        }
        return assemble(parts | modalities)


class Mosaic(Reader):
    """Cells of another reader, each of which lacks some of the modalities at random, but has one at least.

    Parameters
    ----------
    reader
        Gives the cells.
    missing
        Fraction of the cells that each modality lacks.
    seed
        Seed of the choice.
    """

    name = "mosaic"

    def __init__(self, *, reader: Reader, missing: Annotated[float, Field(ge=0, lt=1)] = 0.3, seed: int = 0) -> None:
        self.reader, self.missing, self.seed = reader, missing, seed

    def sources(self) -> tuple[Path, ...]:
        return self.reader.sources()

    def _read(self, context: Context) -> MuData:
        mdata, generator = self.reader.read(context), np.random.default_rng(self.seed)
        there = generator.random((mdata.n_obs, len(mdata.mod))) >= self.missing
        there[np.arange(len(there)), generator.integers(there.shape[1], size=len(there))] = True
        kept = {m: mdata.obs_names[there[:, i]] for i, m in enumerate(mdata.mod)}
        return assemble({m: adata[adata.obs_names.isin(kept[m])].copy() for m, adata in mdata.mod.items()})


class Complementary(Reader):
    """Simulated cells of three modalities; ``left`` and ``right`` measure one half of the latents that ``target`` does.

    Parameters
    ----------
    n_cells
        Cells, all measured in the three.
    n_features
        Features of ``left``, ``right`` and ``target``.
    n_latents
        Latents in each half.
    confounded
        Whether ``left`` measures the sum of both halves, and ``target`` the first alone: ``right`` says nothing of it
        by itself, and much beside ``left``.
    noise
        Standard deviation of the noise of a feature, of variance 1 without it.
    seed
        Seed of the simulation.
    """

    name = "complementary"

    def __init__(
        self,
        *,
        n_cells: Annotated[int, Field(ge=3)] = 300,
        n_features: tuple[int, int, int] = (100, 40, 30),
        n_latents: Annotated[int, Field(ge=1)] = 5,
        confounded: bool = False,
        noise: float = 0.7,
        seed: int = 0,
    ) -> None:
        self.n_cells, self.n_features, self.n_latents = n_cells, n_features, n_latents
        self.confounded, self.noise, self.seed = confounded, noise, seed

    def _read(self, context: Context) -> MuData:
        from anndata import AnnData

        generator = np.random.default_rng(self.seed)
        first, second = generator.normal(size=(2, self.n_cells, self.n_latents))
        left, target = (first + second, first) if self.confounded else (first, np.hstack([first, second]))
        modalities = {}
        for (name, latent), p in zip(
            {"left": left, "right": second, "target": target}.items(), self.n_features, strict=True
        ):
            X = (
                latent
                @ generator.normal(size=(latent.shape[1], p))
                / latent.std(axis=0).mean()
                / latent.shape[1] ** 0.5
            )
            X += self.noise * generator.normal(size=X.shape)
            modalities[name] = AnnData(X.astype(np.float32))
            modalities[name].obs_names = [f"cell{i}" for i in range(self.n_cells)]
            modalities[name].var_names = [f"{name}{j}" for j in range(p)]
        return assemble(modalities)


class ShiftedBatches(Reader):
    """Cells of another reader, divided at random into batches, whose features are shifted.

    Parameters
    ----------
    reader
        Gives the cells.
    batches
        How many.
    shift
        Standard deviation of the shifts of a feature, in its own standard deviations.
    seed
        Seed of both.
    """

    name = "shifted_batches"

    def __init__(
        self, *, reader: Reader, batches: Annotated[int, Field(ge=2)] = 3, shift: float = 1.0, seed: int = 0
    ) -> None:
        self.reader, self.batches, self.shift, self.seed = reader, batches, shift, seed

    def sources(self) -> tuple[Path, ...]:
        return self.reader.sources()

    def _read(self, context: Context) -> MuData:
        mdata, generator = self.reader.read(context), np.random.default_rng(self.seed)
        batch = dict(zip(mdata.obs_names, generator.integers(self.batches, size=mdata.n_obs), strict=True))
        modalities = {m: adata.copy() for m, adata in mdata.mod.items()}
        for adata in modalities.values():
            of_cells = np.array([batch[name] for name in adata.obs_names])
            shifts = self.shift * adata.X.std(axis=0) * generator.normal(size=(self.batches, adata.n_vars))
            adata.X = (adata.X + shifts[of_cells]).astype(np.float32)
            adata.obs["batch"] = [f"batch{number}" for number in of_cells]
        return assemble(modalities)
