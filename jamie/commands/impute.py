"""``jamie impute``: one modality of cells imputed from another, or from several, with a trained model."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from jamie.commands.embed import open_model
from jamie.core.context import Context, Progress
from jamie.core.errors import DataError
from jamie.core.files import write_atomically
from jamie.core.imputation import LazyImputation
from jamie.data.backed import backed_cells, names_modalities, stored_modalities
from jamie.data.checks.modalities import require_modality
from jamie.model.choose_modalities import choose_direction, choose_sources, compatible_modalities
from jamie.model.fitted_model import FittedModel
from jamie.model.imputation import impute_query
from jamie.model.joint_imputation import impute_queries
from jamie.model.query import MAX_MISSING, Query
from jamie.runs.imputed_files import SUFFIXES, imputed_anndata, save_imputed

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


def impute_file(
    path: Path,
    data: Path,
    out: Path,
    *,
    sources: Sequence[str] | None = None,
    to: str | None = None,
    features: Iterable[str] | None = None,
    intervals: bool | None = None,
    max_missing: float,
    allow_unsafe_model: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
    plugins: Sequence[Path] = (),
) -> None:
    """Impute a modality of the cells of a file, which is MuData or holds the source as AnnData, into .h5ad or .zarr.

    Cells are read, and their values written, a block at a time.

    Parameters
    ----------
    path
        A run directory or a saved model.
    data
        The cells.
    out
        The file to write.
    sources, to
        Modalities of the model; by default the only one that `data` has, and the only other one of the model.
    features
        Each a name, several with commas between them, or ``@FILE`` with one name a line; all by default.
    intervals
        Whether standard deviations and intervals are written; by default as in `JAMIE.impute`.
    max_missing
        Largest fraction of the source's features that may be absent.
    allow_unsafe_model
        Whether files of the model may be read by which code can run.
    overwrite
        Replace `out`.
    progress
        Called as ``progress("impute", cells done, cells, {})``.
    plugins
        Files with components of the model.

    Raises
    ------
    JamieError
        If the model or the data cannot be read or do not fit each other, or `out` exists.
    """
    names = None if features is None else [name for text in features for name in _names(text)]
    model, context = open_model(path, progress, plugins=plugins, allow_unsafe=allow_unsafe_model)
    model.require_imputation()
    if sources is not None and len(sources) > 1:
        present = stored_modalities(data) if names_modalities(data) else None
        joint = choose_sources(model, _require_names(present, sources, str(data)), sources, to)
        with ExitStack() as files:
            cells = {source: files.enter_context(backed_cells(data, source)) for source in joint.sources}
            queries = [Query(model, source, adata, context, max_missing) for source, adata in cells.items()]
            _save(impute_queries(queries, joint.target, names, intervals), out, context, overwrite=overwrite)
        return
    source = sources[0] if sources else None
    if names_modalities(data):
        source, to = choose_direction(model, stored_modalities(data), source, to)
    with backed_cells(data, source) as adata:
        impute_cells(
            model,
            adata,
            context,
            None if source is None else [source],
            to,
            features=names,
            intervals=intervals,
            max_missing=max_missing,
            out=out,
            overwrite=overwrite,
        )


def impute_cells(
    model: FittedModel,
    data: MuData | AnnData,
    context: Context,
    sources: Sequence[str] | None = None,
    to: str | None = None,
    *,
    features: Sequence[str] | None = None,
    intervals: bool | None = None,
    max_missing: float = MAX_MISSING,
    out: str | Path | None = None,
    overwrite: bool = False,
) -> AnnData | None:
    """Impute one modality from another or from several, as `JAMIE.impute` describes."""
    model.require_imputation()
    if sources is not None and len(sources) > 1:
        joint = choose_sources(model, _require_names(getattr(data, "mod", None), sources, "impute"), sources, to)
        queries = [Query.from_mudata(model, source, data, context, max_missing) for source in joint.sources]
        imputed = impute_queries(queries, joint.target, features, intervals)
    else:
        present = data.mod if hasattr(data, "mod") else compatible_modalities(model, data, max_missing)
        source, to = choose_direction(model, present, sources[0] if sources else None, to)
        require_modality(source, getattr(data, "mod", {source}), "impute")
        query = Query.from_mudata if hasattr(data, "mod") else Query
        imputed = impute_query(query(model, source, data, context, max_missing), to, features, intervals)
    if out is None:
        return imputed_anndata(imputed, context)
    _save(imputed, Path(out), context, overwrite=overwrite)
    return None


def one_or_several(source: str | None, sources: Sequence[str] | None) -> Sequence[str] | None:
    """Return the modalities to impute from, given as one or as several; None if they are to follow from the data.

    Raises
    ------
    DataError
        If both are given, or no source is named.
    """
    if sources is None:
        return None if source is None else [source]
    named = [sources] if isinstance(sources, str) else list(sources)
    if source is not None or not named:
        found = f"source='{source}' and sources={named!r}" if named else "sources=[]"
        raise DataError(
            f"expected one source, or one or more sources, found {found}",
            where="impute",
            fix="name one modality as source, or several as sources",
        )
    return named


def _require_names(present: Collection[str] | None, sources: Sequence[str], where: str) -> Collection[str]:
    """Return the modalities of the data; refuse AnnData, which does not name its own (None)."""
    if present is None:
        raise DataError(
            f"expected MuData with the sources {', '.join(sources)}, found AnnData, which holds one modality",
            where=where,
            fix="put the sources into one MuData: mudata.MuData({'NAME': adata, ...})",
        )
    return present


def _save(imputed: LazyImputation, out: Path, context: Context, *, overwrite: bool) -> None:
    with write_atomically(out, SUFFIXES, overwrite) as partial:
        save_imputed(imputed, partial, context)


def _names(given: str) -> list[str]:
    """Return names of features: the lines of a file, in which names may hold commas, or the parts between commas."""
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
