"""Models and runs on files: what `jamie embed`, `impute`, `transfer` and `simulate` do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from inspect import signature
from pathlib import Path

import numpy as np

from jamie.commands.transfer import EmbeddedCells, choose_ends, embedded_cells, pairs_of, transfer_between
from jamie.core.context import Context, Progress
from jamie.core.errors import DataError
from jamie.core.files import write_atomically
from jamie.core.interfaces.data import Reader
from jamie.core.names import MODEL_NAME
from jamie.core.suggest import suggest_names
from jamie.data.assemble import mudata_conventions
from jamie.data.backed import names_modalities, read_stored, stored_cells, stored_modalities
from jamie.data.readers.simulate_branch import SimulateBranch
from jamie.data.readers.simulate_regulatory import SimulateRegulatory
from jamie.data.writing.names import found_name
from jamie.estimator import JAMIE, load
from jamie.metrics.label_transfer import NEW, LabelTransfer
from jamie.model.direction import choose_direction
from jamie.model.query import Query, pairs_by_name
from jamie.runs.directory import RESOLVED
from jamie.runs.mudata_copies import writable_mudata
from jamie.runs.run import FinishedRun
from jamie.spec import load_spec

SIMULATORS: Mapping[str, type[Reader]] = {"branch": SimulateBranch, "regulatory": SimulateRegulatory}


def embed_file(
    model: Path, data: Path, out: Path, *, modality: str | None = None, max_missing: float, overwrite: bool = False
) -> None:
    """Embed the cells of a file, and write .h5mu or .zarr with ``X_jamie``; AnnData (.h5ad, .zarr) holds `modality`.

    Raises
    ------
    JamieError
        Where the model or the data cannot be read or do not fit each other, or `out` exists.
    """
    with write_atomically(out, (".h5mu", ".zarr"), overwrite) as partial:
        loaded = load(model)
        _require_named(data, modality, loaded)
        mdata = read_stored(data, modality or "")
        with mudata_conventions():
            loaded.embed(mdata, max_missing=max_missing)
            written = writable_mudata(mdata)
            written.write_zarr(partial) if partial.suffix == ".zarr" else written.write_h5mu(partial)


def impute_file(
    model: Path,
    data: Path,
    out: Path,
    *,
    source: str | None = None,
    to: str | None = None,
    features: Iterable[str] | None = None,
    intervals: bool | None = None,
    max_missing: float,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> None:
    """Impute a modality of the cells of a file, which is MuData or holds the source as AnnData, into .h5ad or .zarr.

    Cells are read, and their values written, a block at a time.

    Parameters
    ----------
    model
        A run directory or a saved model.
    data
        The cells.
    out
        What to write.
    source, to
        Modalities of the model; by default the only one that `data` has, and the only other one of the model.
    features
        Each a name, several with commas between them, or ``@FILE`` with one name a line; all by default.
    intervals
        Whether standard deviations and intervals are written; by default as in `JAMIE.impute`.
    max_missing
        Largest fraction of the source's features that may be absent.
    overwrite
        Replace `out`.
    progress
        Called as ``progress("impute", cells done, cells, {})``.

    Raises
    ------
    JamieError
        Where the model or the data cannot be read or do not fit each other, or `out` exists.
    """
    names = None if features is None else [name for one in features for name in _names(one)]
    loaded = load(model, progress=progress)
    if names_modalities(data):
        source, to = choose_direction(loaded.model, stored_modalities(data), source, to)
    with stored_cells(data, source) as adata:
        loaded.impute(
            adata,
            source,
            to,
            features=names,
            intervals=intervals,
            max_missing=max_missing,
            out=out,
            overwrite=overwrite,
        )


def transfer_run(
    run: Path,
    label: str,
    *,
    source: str | None = None,
    to: str | None = None,
    k: int = 5,
    method: str = MODEL_NAME,
    keep_partner: bool = False,
    data: Path | None = None,
    max_missing: float,
    out: Path | None = None,
    overwrite: bool = False,
) -> LabelTransfer:
    """Predict a label of one modality's cells from those of another, in the latent space of a finished run.

    The cells are those of the run, or those of `data`: MuData, or AnnData that holds the modality `to`. The
    predictions are written to `out`, a .csv file, where it is given.

    Raises
    ------
    JamieError
        Where the run has not finished, has no such method, modality or label, or the data do not fit its model.
    """
    with write_atomically(out, (".csv",), overwrite) if out else nullcontext() as partial:
        finished = FinishedRun.open(run)
        cells = embedded_cells(finished, method)
        label = found_name(label, {column for one in cells.values() for column in one.data.obs})
        source, to = choose_ends(cells, label, source, to)
        target = cells[to]
        known = load_spec(finished.path / RESOLVED, reads_data=False).correspondence.known
        if data is None:
            pairs = pairs_of(known, cells[source], target)
        else:
            target = _new_cells(finished, method, data, to, max_missing)
            names = {source: cells[source].data.cells, to: target.data.cells}
            pairs = pairs_by_name(known, names).between(source, to)
        found = transfer_between(cells[source], target, label, pairs, k=k, keep_partner=keep_partner)
        if partial:
            found.table.to_csv(partial, index=False)
    return found


def _new_cells(run: FinishedRun, method: str, data: Path, modality: str, max_missing: float) -> EmbeddedCells:
    if method != MODEL_NAME:
        fix = f"leave out --data, or --method {method}"
        raise DataError(f"expected --method {MODEL_NAME} for new cells, found '{method}'", where="--method", fix=fix)
    mdata = read_stored(data, modality)
    if modality not in mdata.mod:
        raise DataError(f"expected the modality '{modality}'", where=str(data), fix=suggest_names(modality, mdata.mod))
    model = load(run.path).model
    z = Query.from_mudata(model, modality, mdata, Context(seed=model.spec.seed), max_missing).embed()
    return EmbeddedCells.of(mdata, modality, z, np.full(len(z), NEW, dtype=object))


def simulate_file(
    out: Path, kind: str, *, n_features: Sequence[int] = (), overwrite: bool = False, **settings: float | None
) -> None:
    """Write simulated cells as a .h5mu file.

    Parameters
    ----------
    out
        What to write.
    kind
        A key of `SIMULATORS`: cells on a branching manifold, or a regulatory network.
    n_features
        Features of each modality; the simulator's own where empty.
    overwrite
        Replace `out`.
    **settings
        Parameters of the simulator, by name; those that are None have its defaults.

    Raises
    ------
    JamieError
        Where the settings do not describe a simulation of this kind, or `out` exists.
    """
    with write_atomically(out, (".h5mu",), overwrite) as partial:
        given = {name: value for name, value in settings.items() if value is not None}
        simulator = _simulator(kind, given, tuple(n_features))
        with mudata_conventions():
            simulator.read().write_h5mu(partial)


def _simulator(kind: str, given: dict[str, float], n_features: tuple[int, ...]) -> Reader:
    if kind not in SIMULATORS:
        raise DataError(f"expected a simulation, found '{kind}'", where="--kind", fix=suggest_names(kind, SIMULATORS))
    sizes: dict[str, object] = {"n_features": n_features} if n_features else {}
    if n_features and kind == "regulatory":
        if len(n_features) != 2:
            problem = f"expected a number of genes and one of peaks, found {len(n_features)}"
            raise DataError(problem, where="--n-features", fix="give it twice: --n-features 200 --n-features 600")
        sizes = dict(zip(("n_genes", "n_peaks"), n_features, strict=True))
    known = signature(SIMULATORS[kind]).parameters
    for name in given:
        if name not in known:
            option = f"--{name.replace('_', '-')}"
            owner = next((other for other in SIMULATORS if name in signature(SIMULATORS[other]).parameters), None)
            raise DataError(
                f"is no setting of --kind {kind}", where=option, fix=f"leave it out, or give --kind {owner}"
            )
    return SIMULATORS[kind](**given, **sizes)


def _names(given: str) -> list[str]:
    """Names of features: those of a file, where a name may hold commas, or those between commas."""
    lines = given.split(",")
    if given.startswith("@"):
        try:
            lines = Path(given[1:]).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"cannot be read ({error})", where=given[1:], fix="give a text file") from error
    names = [line.strip() for line in lines if line.strip()]
    if not names:
        raise DataError(
            "expected names of features, found none", where=f"--features {given}", fix="give a name or more"
        )
    return names


def _require_named(data: Path, modality: str | None, loaded: JAMIE) -> None:
    """Require the name of the modality where the file does not say it, and only there."""
    if names_modalities(data):
        if modality is not None:
            problem = "expected --modality with AnnData only (.h5ad, .zarr); MuData names its modalities"
            raise DataError(problem, where=str(data), fix="leave it out")
    elif modality is None:
        fix = f"say which modality it holds: --modality {' or '.join(loaded.model.modalities)}"
        raise DataError("expected --modality with AnnData, which does not name its own", where=str(data), fix=fix)
