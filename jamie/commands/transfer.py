"""Transfer of labels between the embedded modalities of a run, or of a model."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.correspondence import Correspondence, Correspondences
from jamie.core.data import Block, ModalityData
from jamie.core.errors import DataError
from jamie.core.interfaces import Pairing
from jamie.core.names import HELD_OUT, MATCH_SCORE, SPLIT, TRAIN, embedding_key
from jamie.core.suggest import suggest_names
from jamie.data.annotations import cell_annotations
from jamie.data.checks.labels import Grouping, judge_grouping
from jamie.data.labels import share_labels
from jamie.data.pairings.by_name import ByName
from jamie.metrics.label_transfer import (
    NEW,
    LabelTransfer,
    LatentCells,
    transfer_labels,
)
from jamie.model.query import pairs_by_name
from jamie.runs.run import RESULT, FinishedRun
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
    def of(cls, mdata: MuData, modality: str, z: NDArray[np.floating], split: NDArray[np.object_]) -> EmbeddedCells:
        """Take the annotations of a modality of `mdata`."""
        obs = cell_annotations(mdata, modality)
        nothing = Block(np.empty((len(obs), 0), np.float32), pd.Index([]))
        return cls(ModalityData(modality, obs, nothing, nothing), z, split)


def split_of(adata: AnnData, modality: str, train: pd.Series | None) -> NDArray[np.object_]:
    """(n,) ``train``, ``held_out`` or ``new`` of the cells of a modality.

    `train` says of each cell of the fit, by its name, whether it was trained on. Where that is not known (None), the
    column of obs that a run adds does; without it all cells count as training cells.
    """
    if train is not None:
        said = {name: TRAIN if trained else HELD_OUT for name, trained in train.items()}
        return np.array([said.get(name, NEW) for name in adata.obs_names], dtype=object)
    if SPLIT in adata.obs:
        return np.asarray(adata.obs[SPLIT].to_numpy(object))
    log.info("%s: obs has no '%s', so all cells count as training cells", modality, SPLIT)
    return np.full(adata.n_obs, TRAIN, dtype=object)


def embedded_cells(run: FinishedRun, method: str) -> dict[str, EmbeddedCells]:
    """Read what a method of a finished run made of the cells of each modality.

    Raises
    ------
    JamieError
        Where the run has no such method, or its file cannot be read.
    """
    mdata = run.mdata()
    key = embedding_key(method)
    embedded = [m for m, adata in mdata.mod.items() if SPLIT in adata.obs]
    if not any(key in mdata.mod[m].obsm for m in embedded):
        keys = {str(key) for m in embedded for key in mdata.mod[m].obsm}
        names = [one["method"] for one in run.json("methods.json")]
        there = [name for name in names if embedding_key(name) in keys]
        raise DataError(
            f"the run has no embedding by '{method}'", where=str(run.path / RESULT), fix=suggest_names(method, there)
        )
    return {
        m: EmbeddedCells.of(mdata, m, np.asarray(mdata.mod[m].obsm[key]), mdata.mod[m].obs[SPLIT].to_numpy(object))
        for m in embedded
        if key in mdata.mod[m].obsm
    }


def choose_ends(cells: Mapping[str, EmbeddedCells], label: str, source: str | None, to: str | None) -> tuple[str, str]:
    """Say which modality gives labels and which takes them, as far as that is not given.

    Of two modalities it is from the second to the first, as in the paper; or from that which alone has the label.

    Raises
    ------
    DataError
        Where there is no such modality, or they are not two and neither is given.
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
        labelled = [m for m, one in cells.items() if label in one.data.obs]
        source = labelled[0] if len(labelled) == 1 else list(cells)[1]
    first, second = cells
    source = source or (second if to == first else first)
    return source, to or (second if source == first else first)


def pairs_of(known: Ref[Pairing], source: EmbeddedCells, target: EmbeddedCells) -> Correspondence:
    """Return which cell of the source is which of the target, as the spec pairs cells; by name it may be none."""
    modalities = {one.data.name: one.data for one in (source, target)}
    if issubclass(known.cls, ByName):  # which refuses cells that share no names, as new ones may
        pairs = pairs_by_name(known, {name: one.cells for name, one in modalities.items()})
    else:
        pairs = known.build().pairs(modalities)
    return pairs.between(source.data.name, target.data.name).mutual_best()


def transfer_between(
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
        Column of obs of the source. Where the target lacks it, the predictions are compared with the labels of its
        cells' partners.
    pairs : (n_s, n_t)
        Which cell is which.
    k
        Neighbours that vote.
    keep_partner
        Let a cell's own partner vote on it.

    Raises
    ------
    DataError
        Where the source has no such label, or it is a measurement.
    """
    _require_label(source, target, label)
    modalities = {one.data.name: one.data for one in (source, target)}
    sizes = {name: one.n_cells for name, one in modalities.items()}
    known = Correspondences(sizes, {(source.data.name, target.data.name): pairs})
    judge_grouping(Grouping(label, f"label '{label}'"), modalities, known)
    shared = share_labels(modalities, known, [label], f"label '{label}'")
    return transfer_labels(
        _latent(source, shared, label), _latent(target, shared, label), k, None if keep_partner else pairs.T.matrix
    )


def _require_label(source: EmbeddedCells, target: EmbeddedCells, label: str) -> None:
    if label in source.data.obs:
        return
    columns = {str(column): None for one in (source, target) for column in one.data.obs}
    fix = suggest_names(label, [column for column in columns if column not in (SPLIT, MATCH_SCORE)])
    if label in target.data.obs:
        fix = f"{target.data.name} has it: take that as the source"
    raise DataError(
        f"expected a column of obs, found no '{label}' in {source.data.name}", where=f"label '{label}'", fix=fix
    )


def _latent(one: EmbeddedCells, shared: Mapping[str, ModalityData], label: str) -> LatentCells:
    data = shared[one.data.name]
    labels = data.labels(label) if label in data.obs else np.full(data.n_cells, None, dtype=object)
    return LatentCells(data.name, data.cells, one.z, labels, one.split)
