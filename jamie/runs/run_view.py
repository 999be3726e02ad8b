"""A run as figures and pages see it: its cells with all that they carry, whether it has ended or is about to."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jamie.core.context import Context
from jamie.core.errors import OutputError
from jamie.core.explanation import Explanation
from jamie.core.names import DATA_LAYOUT, EMBEDDING, LATENT_LAYOUT, UNS_KEY
from jamie.data.assemble import mudata_conventions
from jamie.model.query import Query
from jamie.model.store import load_model
from jamie.runs.directory import RESOLVED, RunFolder
from jamie.runs.explanation_files import load_explanations
from jamie.runs.layouts import complete_layouts
from jamie.runs.run import RESULT, require_run, require_whole
from jamie.runs.tables import method_table, read_table, stage_table, storable
from jamie.spec import Spec, load_spec

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

_TABLES = ("metrics", "features", "wins", "history")
_TEXTS = ("correspondence", "pairing")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunView:
    """A run, read from its directory.

    Parameters
    ----------
    path
        The directory.
    manifest
        As in ``manifest.json``; it says that the run is running where it is read at the end of one.
    spec
        Resolved.
    mdata
        The data with embeddings and layouts, as in ``result.h5mu``; its ``uns["jamie"]`` holds what the other files
        say. Without modalities where the run stopped before training.
    explanations
        What drives the model.
    """

    path: Path
    manifest: Mapping[str, Any]
    spec: Spec
    mdata: MuData
    explanations: tuple[Explanation, ...] = ()

    @classmethod
    def read(cls, path: str | Path) -> RunView:
        """Read a run.

        Raises
        ------
        OutputError
            Where there is none, it has finished and lacks a file of every run, or a file of it cannot be read.
        """
        path = Path(path)
        require_run(path)
        manifest = RunFolder(path).read_manifest()
        require_whole(path, manifest)
        spec = load_spec(path / RESOLVED, reads_data=False)
        mdata = _cells(path)
        mdata.uns[UNS_KEY] = {**mdata.uns.get(UNS_KEY, {}), **_carried(path, manifest)}
        _complete(path, spec, mdata)
        return cls(path, manifest, spec, mdata, tuple(load_explanations(path)))

    def imputed(self, source: str, target: str) -> AnnData | None:
        """Read what was imputed of a modality from another; None where the run did not write it."""
        from anndata import read_h5ad

        file = self.path / f"imputed/{source}-to-{target}.h5ad"
        return read_h5ad(file) if file.is_file() else None


def _cells(path: Path) -> MuData:
    from mudata import MuData, read_h5mu

    file = path / RESULT
    with mudata_conventions():
        if not file.is_file():
            return MuData({})
        try:
            return read_h5mu(file)
        except (OSError, ValueError, KeyError) as error:
            problem = f"cannot be read ({type(error).__name__}: {error})"
            raise OutputError(problem, where=str(file), fix="run the spec again") from error


def _carried(path: Path, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the files of the run say, in the form in which a MuData carries it."""
    found: dict[str, Any] = {"spec": (path / RESOLVED).read_text(), "seed": manifest.get("seed", 0)}
    found |= {name: read_table(path / f"{name}.csv") for name in _TABLES if (path / f"{name}.csv").is_file()}
    found |= {name: (path / f"{name}.json").read_text() for name in _TEXTS if (path / f"{name}.json").is_file()}
    if (path / "methods.json").is_file():
        found["methods"] = storable(method_table(json.loads((path / "methods.json").read_text())))
    return found | {"stages": storable(stage_table(manifest.get("stages", {})))}


def _complete(path: Path, spec: Spec, mdata: MuData) -> None:
    """Lay out the cells of a run that had no report, for which there was no need then."""
    embedded = [m for m, adata in mdata.mod.items() if EMBEDDING in adata.obsm]
    bare = [m for m in embedded if DATA_LAYOUT not in mdata.mod[m].obsm]
    if not bare and all(LATENT_LAYOUT in mdata.mod[m].obsm for m in embedded):
        return
    context = Context(seed=spec.seed)
    model = load_model(path, "cpu")
    log.info("%s: laying out the cells, as the run had no report", path)
    scores = {m: Query.from_mudata(model, m, mdata, context).read().scores for m in bare}
    complete_layouts(mdata, scores, context)
