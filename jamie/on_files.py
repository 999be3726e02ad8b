"""A saved model on files: what `jamie embed`, `jamie impute` and `jamie simulate` do."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from jamie.api import JAMIE, load
from jamie.core.errors import DataError, OutputError
from jamie.data.assemble import mudata_conventions
from jamie.data.readers.anndata import AnnDataReader
from jamie.data.readers.mudata import MuDataReader
from jamie.data.readers.simulate_branch import SimulateBranch

if TYPE_CHECKING:
    from mudata import MuData


def embed_file(
    model: Path, data: Path, out: Path, *, modality: str | None = None, max_missing: float, overwrite: bool = False
) -> None:
    """Embed the cells of a .h5mu file, or of an .h5ad file that holds `modality`, and write .h5mu with ``X_jamie``.

    Raises
    ------
    JamieError
        Where the model or the data cannot be read or do not fit each other, or `out` exists.
    """
    with _whole(out, ".h5mu", overwrite) as partial:
        loaded = load(model)
        _require_named(data, modality, loaded)
        mdata = _read(data, modality or "")
        with mudata_conventions():
            loaded.embed(mdata, max_missing=max_missing)
            mdata.write_h5mu(partial)


def impute_file(
    model: Path,
    data: Path,
    out: Path,
    *,
    source: str,
    to: str,
    features: Iterable[str] | None = None,
    max_missing: float,
    overwrite: bool = False,
) -> None:
    """Impute a modality of the cells of a .h5mu file, or of an .h5ad file that holds the source, into an .h5ad file.

    Each of `features` is a name, several with commas between them, or ``@FILE`` with one name a line; all by default.

    Raises
    ------
    JamieError
        Where the model or the data cannot be read or do not fit each other, or `out` exists.
    """
    with _whole(out, ".h5ad", overwrite) as partial:
        loaded, mdata = load(model), _read(data, source)
        names = None if features is None else [name for one in features for name in _names(one)]
        loaded.impute(mdata, source, to, features=names, max_missing=max_missing).write_h5ad(partial)


def simulate_file(
    out: Path,
    *,
    n_cells: int,
    n_features: tuple[int, ...],
    noise: float,
    overlap: float,
    seed: int,
    overwrite: bool = False,
) -> None:
    """Write cells on a branching manifold, measured in several modalities, as a .h5mu file.

    Raises
    ------
    JamieError
        Where the settings do not describe a simulation, or `out` exists.
    """
    with _whole(out, ".h5mu", overwrite) as partial:
        simulator = SimulateBranch(n_cells=n_cells, n_features=n_features, noise=noise, overlap=overlap, seed=seed)
        with mudata_conventions():
            simulator.read().write_h5mu(partial)


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
    is_one = data.suffix == ".h5ad"
    if is_one and modality is None:
        fix = f"say which modality the file holds: --modality {' or '.join(loaded.model.modalities)}"
        raise DataError("expected --modality with an .h5ad file, which does not name its own", where=str(data), fix=fix)
    if modality is not None and not is_one:
        problem = "expected --modality with an .h5ad file only; other files name their modalities"
        raise DataError(problem, where=str(data), fix="leave it out")


def _read(data: Path, source: str) -> MuData:
    return (AnnDataReader(paths={source: data}) if data.suffix == ".h5ad" else MuDataReader(path=data)).read()


@contextmanager
def _whole(out: Path, suffix: str, overwrite: bool) -> Iterator[Path]:
    """Give a temporary path, and put what was written there in place of `out` at once."""
    if out.suffix != suffix:
        raise OutputError(f"expected a name that ends in {suffix}", where=str(out), fix=f"write {out.stem}{suffix}")
    if out.is_dir():
        raise OutputError("expected a file, found a folder", where=str(out), fix="give another name")
    if out.exists() and not overwrite:
        raise OutputError("exists already", where=str(out), fix="give another name, or --overwrite")
    partial = out.with_name(f".{out.stem}.partial{suffix}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        partial.touch()
    except OSError as error:
        raise OutputError(f"cannot be written ({error.strerror})", where=str(out), fix="give another name") from error
    try:
        yield partial
        os.replace(partial, out)
    finally:
        partial.unlink(missing_ok=True)
