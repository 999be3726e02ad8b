"""``jamie transfer``: labels of one modality's cells, predicted from labelled cells of another in the latent space."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.commands.embed import context_of
from jamie.core.correspondence import Correspondence, Correspondences
from jamie.core.data import Block, ModalityData
from jamie.core.errors import DataError
from jamie.core.files import write_atomically
from jamie.core.interfaces import Pairing
from jamie.core.names import HELD_OUT, MATCH_SCORE, SPLIT, TRAIN, embedding_key
from jamie.core.suggest import suggest_names
from jamie.data.annotations import cell_annotations, share_labels
from jamie.data.backed import read_modalities
from jamie.data.checks.labels import Grouping, check_grouping
from jamie.data.pairings.by_name import ByName
from jamie.data.writing.names import stored_name
from jamie.metrics.label_transfer import NEW, LabelTransfer, LatentCells, transfer_labels
from jamie.model.query import MAX_MISSING, Query, pairs_by_name
from jamie.model.store import load_model
from jamie.runs.file_names import RESULT
from jamie.runs.run import Run
from jamie.spec.ref import Ref

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EmbeddedCells:
    """Cells of one modality, their annotations and latents.

    Parameters
    ----------
    data
        Names and annotations; without values.
    z : (n, L)
        Latents; NaN for a cell that was not embedded.
    split : (n,)
        ``train``, ``held_out`` or ``new``.
    """

    data: ModalityData
    z: NDArray[np.floating]
    split: NDArray[np.object_]

    @classmethod
    def from_mudata(
        cls, mdata: MuData, modality: str, z: NDArray[np.floating], split: NDArray[np.object_]
    ) -> EmbeddedCells:
        """Combine latents with the annotations of a modality of `mdata`."""
        obs = cell_annotations(mdata, modality)
        nothing = Block(np.empty((len(obs), 0), np.float32), pd.Index([]))
        return cls(ModalityData(modality, obs, nothing, nothing), z, split)


def transfer_run(
    path: Path,
    label: str,
    *,
    source: str | None = None,
    to: str | None = None,
    k: int = 5,
    method: str | None = None,
    keep_partner: bool = False,
    data: Path | None = None,
    max_missing: float = MAX_MISSING,
    allow_unsafe_model: bool = False,
    out: Path | None = None,
    overwrite: bool = False,
    plugins: Sequence[Path] = (),
) -> LabelTransfer:
    """Predict a label of one modality's cells from those of another, in the latent space of a finished run.

    Parameters
    ----------
    path
        The run directory.
    label
        Column of obs to predict.
    source, to
        Modality that gives labels, and modality that takes them; see `choose_modalities`.
    k
        Neighbors that vote.
    method
        Whose latent space: a method of the run; its model by default.
    keep_partner
        Let a cell's own partner vote on it.
    data
        New cells: MuData, or AnnData with the modality `to`; the cells of the run by default.
    max_missing
        Largest fraction of features that new cells may lack.
    allow_unsafe_model
        Whether files of the model may be read by which code can run, to embed new cells.
    out
        A .csv file for the predictions.
    overwrite
        Replace `out`.
    plugins
        Files with components of the run.

    Raises
    ------
    JamieError
        If the run has not finished, has no such method, modality or label, or the data do not fit its model.
    """
    with write_atomically(out, (".csv",), overwrite) if out else nullcontext() as partial:
        run = Run.finished(path, plugins=plugins)
        method = method or run.model_name
        cells = embedded_cells(run, method)
        label = stored_name(label, {column for embedded in cells.values() for column in embedded.data.obs})
        source, to = choose_modalities(cells, label, source, to)
        target, known = cells[to], run.spec.correspondence.known
        if data is None:
            pairs = pairs_between(known, cells[source], target)
        else:
            target = _embed_new_cells(run, method, data, to, max_missing, allow_unsafe=allow_unsafe_model)
            names = {source: cells[source].data.cells, to: target.data.cells}
            pairs = pairs_by_name(known, names).between(source, to)
        transfer = transfer_cells(cells[source], target, label, pairs, k=k, keep_partner=keep_partner)
        if partial:
            transfer.table.to_csv(partial, index=False)
    return replace(transfer, method=method)


def split_of(adata: AnnData, modality: str, train: pd.Series | None) -> NDArray[np.object_]:
    """Return (n,) ``train``, ``held_out`` or ``new`` of the cells of a modality.

    `train` says for each cell of the fit, by name, whether it is a training cell. If it is None, the column of obs that
    a run adds says so; without that column all cells count as training cells.
    """
    if train is not None:
        splits = {name: TRAIN if trained else HELD_OUT for name, trained in train.items()}
        return np.array([splits.get(name, NEW) for name in adata.obs_names], dtype=object)
    if SPLIT in adata.obs:
        return np.asarray(adata.obs[SPLIT].to_numpy(object))
    log.info("%s: obs has no '%s', so all cells count as training cells", modality, SPLIT)
    return np.full(adata.n_obs, TRAIN, dtype=object)


def embedded_cells(run: Run, method: str) -> dict[str, EmbeddedCells]:
    """Read the embedding of each modality by a method of a finished run.

    Raises
    ------
    JamieError
        If the run has no such method, or its file cannot be read.
    """
    mdata = run.mdata
    key = embedding_key(method)
    embedded = [m for m, adata in mdata.mod.items() if SPLIT in adata.obs]
    if not any(key in mdata.mod[m].obsm for m in embedded):
        keys = {str(key) for m in embedded for key in mdata.mod[m].obsm}
        names = [entry["method"] for entry in run.methods]
        available = [name for name in names if embedding_key(name) in keys]
        raise DataError(
            f"the run has no embedding by '{method}'",
            where=str(run.path / RESULT),
            fix=suggest_names(method, available) if available else "fit a method that embeds, such as rcca",
        )
    return {
        m: EmbeddedCells.from_mudata(
            mdata, m, np.asarray(mdata.mod[m].obsm[key]), mdata.mod[m].obs[SPLIT].to_numpy(object)
        )
        for m in embedded
        if key in mdata.mod[m].obsm
    }


def choose_modalities(
    cells: Mapping[str, EmbeddedCells], label: str, source: str | None, to: str | None
) -> tuple[str, str]:
    """Return the modality that gives labels and the one that takes them.

    With two modalities the default is from the second to the first, as in the paper, or from the only one with the
    label.

    Raises
    ------
    DataError
        If there is no such modality, or there are not two and one is not given.
    """
    for given in (source, to):
        if given is not None and given not in cells:
            raise DataError(f"unknown modality '{given}'", where="transfer", fix=suggest_names(given, cells))
    if source is not None and source == to:
        raise DataError(
            f"expected two modalities, found '{source}' twice", where="transfer", fix=suggest_names("", cells)
        )
    if source is not None and to is not None:
        return source, to
    if len(cells) != 2:
        fix = "give --source and --to"
        raise DataError(f"expected two modalities, found {', '.join(cells)}", where="transfer", fix=fix)
    if source is None and to is None:
        labelled = [m for m, embedded in cells.items() if label in embedded.data.obs]
        source = labelled[0] if len(labelled) == 1 else list(cells)[1]
    first, second = cells
    source = source or (second if to == first else first)
    return source, to or (second if source == first else first)


def pairs_between(known: Ref[Pairing], source: EmbeddedCells, target: EmbeddedCells) -> Correspondence:
    """Pair the cells of two modalities as the spec does; by name there may be no pair."""
    modalities = {cells.data.name: cells.data for cells in (source, target)}
    if issubclass(known.cls, ByName):  # which refuses cells that share no names, as new ones may
        pairs = pairs_by_name(known, {name: data.cells for name, data in modalities.items()})
    else:
        pairs = known.build().pairs(modalities)
    return pairs.between(source.data.name, target.data.name).mutual_best()


def transfer_cells(
    source: EmbeddedCells,
    target: EmbeddedCells,
    label: str,
    pairs: Correspondence,
    *,
    k: int = 5,
    keep_partner: bool = False,
) -> LabelTransfer:
    """Predict a label of the target's cells from the source's training cells.

    Parameters
    ----------
    source, target
        Two modalities.
    label
        Column of obs of the source. If the target lacks it, predictions are compared with the labels of its cells'
        partners.
    pairs : (n_s, n_t)
        Pairs of cells that are the same cell.
    k
        Neighbours that vote.
    keep_partner
        Let a cell's own partner vote on it.

    Raises
    ------
    DataError
        If the source has no such label, or it is a measurement.
    """
    _require_label(source, target, label)
    modalities = {cells.data.name: cells.data for cells in (source, target)}
    sizes = {name: data.n_cells for name, data in modalities.items()}
    known = Correspondences(sizes, {(source.data.name, target.data.name): pairs})
    check_grouping(Grouping(label, f"label '{label}'"), modalities, known)
    shared = share_labels(modalities, known, [label], f"label '{label}'")
    return transfer_labels(
        _latent_cells(source, shared, label),
        _latent_cells(target, shared, label),
        k,
        None if keep_partner else pairs.T.matrix,
    )


def _require_label(source: EmbeddedCells, target: EmbeddedCells, label: str) -> None:
    if label in source.data.obs:
        return
    columns = {str(column): None for cells in (source, target) for column in cells.data.obs}
    fix = suggest_names(label, [column for column in columns if column not in (SPLIT, MATCH_SCORE)])
    if label in target.data.obs:
        fix = f"{target.data.name} has it: take that as the source"
    raise DataError(
        f"expected a column of obs, found no '{label}' in {source.data.name}", where=f"label '{label}'", fix=fix
    )


def _latent_cells(cells: EmbeddedCells, shared: Mapping[str, ModalityData], label: str) -> LatentCells:
    data = shared[cells.data.name]
    labels = data.labels(label) if label in data.obs else np.full(data.n_cells, None, dtype=object)
    return LatentCells(data.name, data.cells, cells.z, labels, cells.split)


def _embed_new_cells(
    run: Run, method: str, data: Path, modality: str, max_missing: float, *, allow_unsafe: bool
) -> EmbeddedCells:
    name = run.model_name
    if method != name:
        fix = f"leave out --data, or --method {method}"
        raise DataError(f"expected --method {name} for new cells, found '{method}'", where="--method", fix=fix)
    mdata = read_modalities(data, modality)
    if modality not in mdata.mod:
        raise DataError(f"expected the modality '{modality}'", where=str(data), fix=suggest_names(modality, mdata.mod))
    model = load_model(run.path, plugins=run.plugins, allow_unsafe=allow_unsafe)
    z = Query.from_mudata(model, modality, mdata, context_of(model), max_missing).embed()
    return EmbeddedCells.from_mudata(mdata, modality, z, np.full(len(z), NEW, dtype=object))
