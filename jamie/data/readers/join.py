"""Modalities of several readers, such as a 10x file beside an .h5ad."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jamie.core.context import Context
from jamie.core.interfaces.data import Reader
from jamie.data.annotations import cell_annotations
from jamie.data.assemble import assemble

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

log = logging.getLogger(__name__)


class JoinReader(Reader):
    """Modalities of several readers side by side; cells matched by name.

    Parameters
    ----------
    readers
        Each gives one modality or more.
    rename
        For each reader, in order, other names of its modalities: ``[{}, {rna: rna_nuclei}]``; by default none is
        renamed.
    """

    name = "join"

    def __init__(self, *, readers: list[Reader], rename: list[dict[str, str]] | None = None) -> None:
        if not readers:
            raise self._data_error("expected readers, found none", "name two or more", of="readers")
        if rename is not None and len(rename) != len(readers):
            problem = f"expected a mapping for each of {len(readers)} readers, found {len(rename)}"
            raise self._data_error(problem, "write {} for a reader whose modalities keep their names", of="rename")
        self.readers = tuple(readers)
        self.rename = tuple(rename or [{} for _ in readers])

    def sources(self) -> tuple[Path, ...]:
        return tuple(dict.fromkeys(path for reader in self.readers for path in reader.sources()))

    def _read(self, context: Context) -> MuData:
        read = [reader.read(context) for reader in self.readers]
        for i, mdata in enumerate(read):
            _warn_of_left_out(mdata, f"readers[{i}]", {key for other in read[:i] for key in other.uns})
        joined = assemble(self._rename_modalities(read))
        joined.uns.update({key: value for mdata in reversed(read) for key, value in mdata.uns.items()})
        return joined

    def _rename_modalities(self, read: Sequence[MuData]) -> dict[str, AnnData]:
        """Return all modalities under their new names, each with the annotations that the cells of its reader share."""
        modalities: dict[str, AnnData] = {}
        origin: dict[str, int] = {}
        for i, (mdata, names) in enumerate(zip(read, self.rename, strict=True)):
            for name in names:
                if name not in mdata.mod:
                    problem = f"expected a modality of readers[{i}], found '{name}'"
                    raise self._data_error(problem, f"it has {', '.join(mdata.mod)}", of="rename")
            for old, adata in mdata.mod.items():
                name = names.get(old, old)
                if name in modalities:
                    other_names = ["{}"] * len(read)
                    other_names[i] = f"{{{name}: {name}_{i + 1}}}"
                    problem = f"expected each modality once, found '{name}' in readers[{origin[name]}] and readers[{i}]"
                    raise self._data_error(problem, f"rename one: rename: [{', '.join(other_names)}]")
                adata.obs = cell_annotations(mdata, old)
                modalities[name], origin[name] = adata, i
        return modalities


def _warn_of_left_out(mdata: MuData, reader: str, known: Collection[str]) -> None:
    """Warn of annotations that a reader gives for all its modalities together and that are not kept."""
    own = tuple(f"{name}:" for name in mdata.mod)
    left_out = [f"var '{name}'" for name in mdata.var.columns if not str(name).startswith(own)]
    for kind in ("obsm", "obsp", "varm", "varp"):
        left_out += [f"{kind} '{key}'" for key in getattr(mdata, kind) if key not in mdata.mod]
    left_out += [f"uns '{key}', which another reader gives too" for key in mdata.uns if key in known]
    if left_out:
        what = ", ".join(left_out)
        log.warning("reader 'join': of %s, what belongs to all its modalities is left out: %s", reader, what)
