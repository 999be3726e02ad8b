"""``jamie embed``: cells, known or new, in the latent space of a trained model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jamie.core.context import Context, Progress
from jamie.core.errors import DataError
from jamie.core.files import write_atomically
from jamie.core.names import embedding_key
from jamie.data.assemble import mudata_conventions
from jamie.data.backed import names_modalities, read_modalities
from jamie.data.writing.mudata_copies import writable_mudata
from jamie.model.choose_modalities import known_modalities
from jamie.model.fitted_model import FittedModel
from jamie.model.query import MAX_MISSING, Query, pairs_by_name
from jamie.model.store import load_model
from jamie.runs.annotated_mudata import joint_embedding
from jamie.training.device import device_for

if TYPE_CHECKING:
    from mudata import MuData


def embed_file(
    path: Path,
    data: Path,
    out: Path,
    *,
    modality: str | None = None,
    max_missing: float,
    allow_unsafe_model: bool = False,
    overwrite: bool = False,
    plugins: Sequence[Path] = (),
) -> None:
    """Embed the cells of a file, and write .h5mu or .zarr with ``X_jamie``; AnnData (.h5ad, .zarr) holds `modality`.

    The key is ``X_NAME`` where the model is the method NAME. `plugins` are files with components of the model.

    Raises
    ------
    JamieError
        If the model or the data cannot be read or do not fit each other, or `out` exists.
    """
    with write_atomically(out, (".h5mu", ".zarr"), overwrite) as partial:
        model, context = open_model(path, plugins=plugins, allow_unsafe=allow_unsafe_model)
        _require_modality_option(data, modality, model)
        mdata = read_modalities(data, modality or "")
        with mudata_conventions():
            embed_mudata(model, mdata, context, max_missing=max_missing)
            written = writable_mudata(mdata)
            written.write_zarr(partial) if partial.suffix == ".zarr" else written.write_h5mu(partial)


def open_model(
    path: Path,
    progress: Progress | None = None,
    device: str = "auto",
    plugins: Sequence[str | Path] = (),
    *,
    allow_unsafe: bool = False,
) -> tuple[FittedModel, Context]:
    """Load a model from a run directory or a saved model, with the surroundings for using it.

    Plugin files that it names are executed only if they are among `plugins`, or if the user has run the same before.

    Raises
    ------
    OutputError
        If there is none, it has another format, or reading it could run code and is not allowed.
    """
    model = load_model(path, device_for(device), plugins, allow_unsafe=allow_unsafe)
    return model, context_of(model, progress)


def context_of(model: FittedModel, progress: Progress | None = None) -> Context:
    """Return seed and device of a model's spec."""
    spec = model.spec
    return Context(seed=spec.seed, device=device_for(spec.training.device)).with_progress(progress)


def embed_mudata(
    model: FittedModel,
    mdata: MuData,
    context: Context,
    *,
    key_added: str | None = None,
    max_missing: float = MAX_MISSING,
) -> None:
    """Add latents to `mdata`, as `JAMIE.embed` describes."""
    model.require_embedding()
    key = key_added or embedding_key(model.name)
    present = known_modalities(model, mdata.mod, "embed")
    latents = {m: Query.from_mudata(model, m, mdata, context, max_missing).embed() for m in present}
    for m in present:
        mdata.mod[m].obsm[key] = latents[m]
    measured = {m: np.isfinite(z).all(axis=1) for m, z in latents.items()}
    names = {m: mdata.mod[m].obs_names[measured[m]] for m in present}
    pairs = pairs_by_name(model.spec.correspondence.known, names)
    aggregated = model.aggregate({m: z[measured[m]] for m, z in latents.items()}, pairs)
    mdata.obsm[key] = joint_embedding(mdata.obs_names, aggregated, names, pairs)


def _require_modality_option(data: Path, modality: str | None, model: FittedModel) -> None:
    """Require the name of the modality if the file does not say it, and only then."""
    if names_modalities(data):
        if modality is not None:
            problem = "expected --modality with AnnData only (.h5ad, .zarr); MuData names its modalities"
            raise DataError(problem, where=str(data), fix="leave it out")
    elif modality is None:
        fix = f"say which modality it holds: --modality {' or '.join(model.modalities)}"
        raise DataError("expected --modality with AnnData, which does not name its own", where=str(data), fix=fix)
