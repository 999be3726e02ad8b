"""The data stage: read, choose, check, pair."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jamie.core.context import Context
from jamie.core.correspondence import Correspondences
from jamie.core.data import Block, Dataset, ModalityData
from jamie.core.interfaces.preprocessor import nan_allowed
from jamie.data.annotations import cell_annotations
from jamie.data.assemble import require_unique_cells
from jamie.data.batch_column import require_batches
from jamie.data.blocks import choose_block
from jamie.data.checks import modality_names, require_cells, require_finite, require_labels, warn_of_raw_counts
from jamie.data.empty_droplets import without_empty_droplets
from jamie.data.label_checks import judge_groupings
from jamie.data.labels import share_labels
from jamie.data.links import linked_features
from jamie.data.pairing_table import PairingTable, pairing_table
from jamie.data.split import hide_pairs
from jamie.data.support import require_support
from jamie.data.value_checks import judge_values, warn_of_copies, warn_of_unlogged

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

    from jamie.spec import Spec

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadedData:
    """What the data stage gives.

    Parameters
    ----------
    mdata
        As read.
    dataset
        The chosen matrices, checked, with their pairs.
    pairing_table
        Cells per modality, shared and unmatched.
    """

    mdata: MuData
    dataset: Dataset
    pairing_table: PairingTable


def load_dataset(spec: Spec, context: Context) -> LoadedData:
    """Read the data that a spec names, and make the dataset that it describes.

    Raises
    ------
    DataError
        Where the data do not fit the spec.
    """
    return dataset_from(spec.data.build().read(context.at("data")), spec, context)


def dataset_from(mdata: MuData, spec: Spec, context: Context) -> LoadedData:
    """Make the dataset that a spec describes of cells that are in memory already; `mdata` is not modified."""
    names = modality_names(mdata, [name for name in spec.modalities if name != "*"], spec.where("modalities"))
    modalities = {name: modality_data(mdata, name, spec) for name in names}
    require_labels(spec.labels, {name: m.obs for name, m in modalities.items()}, spec.where("labels"))
    given = spec.correspondence.known.build().pairs(modalities)
    warn_of_copies(modalities)
    modalities, given = without_empty_droplets(mdata, modalities, given, spec)
    require_batches(spec.batch_key, modalities, spec.where("batch_key"))
    truth = _true_pairs(given)
    judge_groupings(spec.labels, spec.batch_key, spec.evaluate.holdout.group, modalities, truth, spec.where)
    modalities = share_labels(modalities, truth, spec.labels, spec.where("labels"))
    cells = {name: m.cells for name, m in modalities.items()}
    known = hide_pairs(given, cells, spec.evaluate.known_pairs, context)
    table = pairing_table(truth, known)
    log.info("pairing:\n%s", table.to_text())
    features = {name: m.input.features for name, m in modalities.items()}
    links = linked_features(features, spec.correspondence.links, spec.where("correspondence.links"))
    return LoadedData(mdata, Dataset(modalities, truth, known, tuple(spec.labels), links, spec.batch_key), table)


def _true_pairs(given: Correspondences) -> Correspondences:
    """Return the pairs that count as true, and tell where these are not all that are given, or not one to one."""
    truth = given.mutual_best()
    for (a, b), pairs in truth.items():
        n_given = given.between(a, b).n_pairs
        if pairs.n_pairs < n_given:
            log.info("%s--%s: of %d known pairs, %d are both cells' best", a, b, n_given, pairs.n_pairs)
        n_tied = sum(int((np.diff(side.matrix.indptr) > 1).sum()) for side in (pairs, pairs.T))
        if n_tied:
            log.warning(
                "%s--%s: %d cells have several equally likely partners; in evaluation each of these counts as true",
                *(a, b, n_tied),
            )
    return truth


def modality_data(mdata: MuData, name: str, spec: Spec) -> ModalityData:
    """Choose and check the matrices of one modality."""
    adata, wanted = mdata.mod[name], spec.modality(name)
    where = f"modality '{name}'"
    require_unique_cells(adata.obs_names, where)
    require_cells(adata.n_obs, where)
    chosen = _block(adata, wanted, spec, f"modalities.{name}")
    if not any(step.cls.takes_counts for step in wanted.preprocess):
        warn_of_raw_counts(name, chosen.X)
        warn_of_unlogged(name, chosen.X)
    target = chosen
    if wanted.target is not None:
        target = _block(adata, wanted.target, spec, f"modalities.{name}.target")
    steps = [step.cls for step in (wanted if wanted.target is None else wanted.target).preprocess]
    place = f"modalities.{name}"
    require_support(target, steps, wanted.decoder.cls, adata, place, spec.where(f"{place}.decoder"))
    return ModalityData(name, cell_annotations(mdata, name), chosen, target)


def _block(adata: AnnData, wanted: Any, spec: Spec, key: str) -> Block:
    """Choose the matrix of an input or a target, and check its values."""
    chosen = "layer" if wanted.layer is not None else "obsm" if wanted.obsm is not None else ""
    block = choose_block(adata, wanted.layer, wanted.obsm, spec.where(f"{key}.{chosen}" if chosen else key))
    filled = nan_allowed([step.cls for step in wanted.preprocess])
    require_finite(block, adata.obs_names, spec.where(key), nan_allowed=filled)
    judge_values(block, adata, [step.cls for step in wanted.preprocess], key, spec.where(key))
    return block
