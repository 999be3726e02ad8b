"""10x Genomics matrices: filtered_feature_bc_matrix as .h5 or folder."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jamie.core.context import Context
from jamie.core.errors import DataError
from jamie.core.files import is_zarr
from jamie.core.interfaces.data import Reader
from jamie.data.assemble import assemble, mudata_conventions
from jamie.data.storage.tenx import EXPRESSION, find_parts, read_counts

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from mudata import MuData

log = logging.getLogger(__name__)

MODALITIES = {EXPRESSION: "rna", "Peaks": "atac", "Antibody Capture": "prot"}  # as muon calls them


class TenxReader(Reader):
    """A 10x matrix (`filtered_feature_bc_matrix`, .h5 or folder), split by feature type into modalities.

    Parameters
    ----------
    path
        The .h5 file, of any version of Cell Ranger, or the folder with `matrix.mtx`, `features.tsv` (`genes.tsv` of
        Cell Ranger 2) and `barcodes.tsv`, each also compressed (.gz).
    modalities
        Name of the modality for each feature type. By default Gene Expression is `rna`, Peaks is `atac` and Antibody
        Capture is `prot`; if a file has none of these, its types have their own names, such as `crispr_guide_capture`.
        Features of other types are dropped with a notice.
    genome
        The only genome whose features are read; all by default.
    """

    name = "tenx"

    def __init__(self, *, path: Path, modalities: dict[str, str] | None = None, genome: str | None = None) -> None:
        self.path = Path(path)
        self.modalities = modalities
        self.genome = genome

    def sources(self) -> tuple[Path, ...]:
        is_folder = self.path.is_dir() and not is_zarr(self.path)
        return tuple(find_parts(self.path).values()) if is_folder else (self.path,)

    def _read(self, context: Context) -> MuData:
        with mudata_conventions():
            return self._split(read_counts(self.path, self.genome))

    def _split(self, counts: AnnData) -> MuData:
        types = counts.var["feature_types"]
        present = list(types.unique())
        names = _default_names(present) if self.modalities is None else self.modalities
        wanted = dict.fromkeys(name for kind, name in names.items() if kind in present)
        if not wanted:
            types_expected = ", ".join(names) or EXPRESSION
            problem = f"expected features of type {types_expected}, found {', '.join(present) or 'none'}"
            fix = f"name a modality for each type: modalities: {_yaml(_default_names(present))}"
            raise DataError(problem, where=str(self.path), fix=fix)
        dropped = [kind for kind in present if kind not in names]
        if dropped:
            every = {**{kind: names[kind] for kind in present if kind in names}, **_own_names(dropped)}
            log.warning(
                "%s: %d features of type %s are dropped; to keep them, name all: modalities: %s",
                *(self.path, int(types.isin(dropped).sum()), ", ".join(dropped), _yaml(every)),
            )
        return assemble({name: _one_modality(counts, types.map(names) == name) for name in wanted})


def _one_modality(counts: AnnData, chosen: pd.Series) -> AnnData:
    """Return some features; what the file says of other features only is left out."""
    adata = counts[:, chosen.to_numpy()].copy()
    adata.var = adata.var.loc[:, (adata.var != "").any()]
    return adata


def _default_names(present: Sequence[str]) -> Mapping[str, str]:
    """Modalities of the feature types of a file: the well-known types, or all types if none is well known."""
    return {kind: MODALITIES[kind] for kind in present if kind in MODALITIES} or _own_names(present)


def _own_names(kinds: Sequence[str]) -> dict[str, str]:
    return {kind: MODALITIES.get(kind, re.sub(r"\W+", "_", kind).strip("_").lower()) for kind in kinds}


def _yaml(names: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{kind}: {name}" for kind, name in names.items()) + "}"
