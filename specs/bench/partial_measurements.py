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
