"""The data of a run with its results: embeddings, columns of `obs` and `var`, provenance."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from itertools import permutations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.correspondence import Correspondences
from jamie.core.errors import DataError
from jamie.core.names import HELD_OUT, MATCH_SCORE, NOVELTY, SPLIT, TRAIN, UNS_KEY, imputability_key
from jamie.correspondence.infer import Inference
from jamie.data.assemble import mudata_conventions
from jamie.data.writing.mudata_copies import writable_mudata
from jamie.model.fitted_model import FittedModel
from jamie.model.imputation import novelty_column
from jamie.preprocess.prepare import Prepared

if TYPE_CHECKING:
    from mudata import MuData


log = logging.getLogger(__name__)


def cell_columns(prepared: Prepared, inference: Inference | None, model: FittedModel) -> dict[str, pd.DataFrame]:
    """Return the columns that a run adds to each modality's `obs`.

    ``jamie_split`` is ``train`` or ``held_out``. If partners were inferred, ``jamie_match_score`` is the
    confidence of a cell's best partner: 1 for a known pair, else that of the inferer, 0 for a cell that the inferer
    did not see. ``jamie_novelty`` is the novelty score, where there are enough training cells for one.
    """
    columns = {}
    for m, data in prepared.dataset.modalities.items():
        train = prepared.split.train[m]
        columns[m] = pd.DataFrame({SPLIT: pd.Categorical(np.where(train, TRAIN, HELD_OUT))}, index=data.cells)
        if inference is not None and inference.correspondences.n_pairs:
            columns[m][MATCH_SCORE] = _match_scores(m, prepared.dataset.known, inference, train)
        columns[m] = columns[m].assign(**novelty_column(model, m, prepared.scores[m]))
    return columns


def _match_scores(
    modality: str, known: Correspondences, inference: Inference, train: NDArray[np.bool_]
) -> NDArray[np.float32]:
    scores = np.zeros(len(train), np.float32)
    for (a, b), found in inference.inferred.items():
        if modality in (a, b):
            confidence = found.confidence_a if modality == a else found.confidence_b
            scores[train] = np.maximum(scores[train], confidence)
            confidence_known = known.between(modality, b if modality == a else a).matrix.max(axis=1).toarray().ravel()
            scores = np.maximum(scores, confidence_known)
    return scores


def replace_run_columns(obs: pd.DataFrame, columns: pd.DataFrame) -> pd.DataFrame:
    """Return `obs` with the columns of this run in place of those of an earlier run."""
    return obs.drop(columns=[SPLIT, MATCH_SCORE, NOVELTY], errors="ignore").assign(**columns)


def drop_imputability(var: pd.DataFrame) -> pd.DataFrame:
    """Return `var` without the columns of an earlier run, which may have had other modalities."""
    return var.drop(columns=[name for name in var.columns if str(name).startswith(imputability_key(""))])


def feature_columns(prepared: Prepared, model: FittedModel) -> dict[str, pd.DataFrame]:
    """Return the columns that a run adds to each modality's `var`: imputability from each other modality."""
    columns = {m: pd.DataFrame(index=data.target.features) for m, data in prepared.dataset.modalities.items()}
    for source, target in permutations(columns, 2):
        calibration = model.uncertainty.calibrations.get((source, target))
        if calibration is not None:
            columns[target][imputability_key(source)] = calibration.imputability
    return columns


def bound_layers(method: str) -> tuple[str, str]:
    """Return the names of the layers with the intervals of a method other than the model."""
    return f"{method}_lower", f"{method}_upper"


def embedded_mudata(
    mdata: MuData,
    embeddings: Mapping[str, Mapping[str, NDArray[np.floating]]],
    aggregated: Mapping[str, NDArray[np.floating]],
    obs: Mapping[str, pd.DataFrame],
    var: Mapping[str, pd.DataFrame],
    correspondences: Correspondences,
    provenance: Mapping[str, Any],
) -> MuData:
    """Return the data with the embedding of each modality and the joint one; `mdata` is not modified.

    Everything else is as in `mdata`, with which it shares its matrices. Modalities without latents stay as they are.

    Parameters
    ----------
    mdata
        Holds the cells of the latents, in any order.
    embeddings
        By key of `obsm`, (n_m, L) of each modality: ``mdata[m].obsm[key]``. The first are those of the model, if it
        embeds.
    aggregated
        (n_m, L) after aggregation, which `joint_embedding` turns into ``mdata.obsm`` of the first key; empty if the
        model does not embed.
    obs
        Columns to add to each modality's `obs`; its index names the cells of the latents.
    var
        Columns to add to each modality's `var`, by the names of its features.
    correspondences
        Those that the latents were aggregated over.
    provenance
        Plain values and tables for ``uns["jamie"]``.

    Raises
    ------
    DataError
        Where a modality of `mdata` is absent or has other cells than the latents.
    """
    names = {m: columns.index for m, columns in obs.items()}
    found = {m: _rows_of(names[m], m, mdata) for m in names}
    embedded = writable_mudata(mdata)
    modalities = embedded.mod
    for m, rows in found.items():
        modalities[m].obsm.update({key: latents[m][rows] for key, latents in embeddings.items()})
        modalities[m].obs = replace_run_columns(modalities[m].obs, obs[m])
        modalities[m].var = drop_imputability(modalities[m].var)
        if var[m].index.isin(modalities[m].var_names).all():  # those of a target in obsm are no features of the data
            modalities[m].var = modalities[m].var.assign(**var[m].reindex(modalities[m].var_names))
    with mudata_conventions():
        if aggregated:
            joint = joint_embedding(embedded.obs_names, aggregated, names, correspondences)
            embedded.obsm[next(iter(embeddings))] = joint
        embedded.uns[UNS_KEY] = dict(provenance)
    return embedded


def _rows_of(cells: pd.Index, modality: str, mdata: MuData) -> NDArray[np.intp]:
    """Rows of a modality's cells among `cells`, which must be the same in whatever order."""
    found = mdata.mod[modality].obs_names.astype(str) if modality in mdata.mod else pd.Index([])
    if len(found) == len(cells) and found.isin(cells).all() and found.is_unique:
        return cells.get_indexer(found)
    raise DataError(
        f"expected the {len(cells)} cells that the model was fitted on, found {len(found)}, "
        f"of which {int(found.isin(cells).sum())} are among them",
        where=f"modality '{modality}'",
        fix="give the MuData that was fitted; embed(mdata) takes any other",
    )


def joint_embedding(
    cells: pd.Index,
    aggregated: Mapping[str, NDArray[np.floating]],
    names: Mapping[str, pd.Index],
    correspondences: Correspondences,
) -> NDArray[np.float32]:
    """One embedding (n, L) for each name of a cell.

    It is the mean of the cell's aggregated latents over the modalities in which it is known to be one cell. Where two
    modalities hold cells of one name that are not known to be one, it is that of the first; NaN where none holds it.

    Parameters
    ----------
    cells : (n,)
        Names.
    aggregated
        (n_m, L) of each modality; NaN for a cell that was not embedded, which counts as absent.
    names
        (n_m,) names of each modality's cells.
    correspondences
        Those that the latents were aggregated over.
    """
    total = np.zeros((len(cells), next(iter(aggregated.values())).shape[1]))
    count, apart = np.zeros(len(cells)), 0
    holder, row_in_holder = np.full(len(cells), -1), np.full(len(cells), -1)
    for position, b in enumerate(aggregated):
        row = names[b].get_indexer(cells)
        row[(row >= 0) & ~np.isfinite(aggregated[b]).all(axis=1)[row]] = -1
        added = (row >= 0) & (holder < 0)
        for earlier, a in enumerate(list(aggregated)[:position]):
            both = np.flatnonzero((row >= 0) & (holder == earlier))
            if len(both):  # scipy gives another type for no entries at all
                tied = np.asarray(correspondences.between(a, b).matrix[row_in_holder[both], row[both]]).ravel() > 0
                added[both[tied]] = True
                apart += int((~tied).sum())
        holder[(row >= 0) & (holder < 0)] = position
        row_in_holder[holder == position] = row[holder == position]
        total[added] += aggregated[b][row[added]]
        count[added] += 1
    absent = int((count == 0).sum())
    if absent:
        log.warning("joint embedding: %d of %d cells are embedded in no modality of the model: NaN", absent, len(cells))
    if apart:
        log.info("joint embedding: %d cells share a name with one they are not known to be; the first counts", apart)
    return np.divide(total, count[:, None], out=np.full_like(total, np.nan), where=count[:, None] > 0).astype(
        np.float32
    )
