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
from jamie.data.blocks import choose_block
from jamie.data.checks.batches import require_batches
from jamie.data.checks.labels import judge_groupings
from jamie.data.checks.modalities import (
    modality_names,
    require_cells,
    require_finite,
    require_flat,
    require_labels,
    warn_of_raw_counts,
)
from jamie.data.checks.support import require_support
from jamie.data.checks.values import judge_values, warn_of_copies, warn_of_unlogged
from jamie.data.labels import share_labels
from jamie.data.links import linked_features
from jamie.data.pairing_table import PairingTable, pairing_table
from jamie.data.splits.holdout import hide_pairs
from jamie.data.unmeasured.absent import measured_values, without_absent
from jamie.data.unmeasured.empty_droplets import without_empty_droplets

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
    return dataset_from(spec.data.build().read(context.for_stage("data")), spec, context)


def dataset_from(mdata: MuData, spec: Spec, context: Context) -> LoadedData:
    """Make the dataset that a spec describes of cells that are in memory already; `mdata` is not modified."""
    require_flat(mdata, "data")
    names = modality_names(mdata, [name for name in spec.modalities if name != "*"], spec.where("modalities"))
    given = {name: modality_data(mdata, name, spec) for name in names}
    modalities = {name: _measured(data, mdata.mod[name], spec) for name, data in given.items()}
    require_labels(spec.labels, {name: m.obs for name, m in modalities.items()}, spec.where("labels"))
    pairs = spec.correspondence.known.build().pairs(modalities)
    warn_of_copies(modalities)
    modalities, pairs = without_empty_droplets(mdata, modalities, pairs, spec)
    absent = {name: data.cells.difference(modalities[name].cells, sort=False) for name, data in given.items()}
    require_batches(spec.batch_key, modalities, spec.where("batch_key"))
    truth = _true_pairs(pairs)
    judge_groupings(spec.labels, spec.batch_key, spec.evaluate.holdout.group, modalities, truth, spec.where)
    modalities = share_labels(modalities, truth, spec.labels, spec.where("labels"))
    cells = {name: m.cells for name, m in modalities.items()}
    known = hide_pairs(pairs, cells, spec.evaluate.known_pairs, context)
    table = pairing_table(truth, known)
    log.info("pairing:\n%s", table.to_text())
    features = {name: m.input.features for name, m in modalities.items()}
    links = linked_features(features, spec.correspondence.links, spec.where("correspondence.links"))
    dataset = Dataset(modalities, truth, known, tuple(spec.labels), links, spec.batch_key, absent)
    return LoadedData(mdata, dataset, table)


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
    """Choose the matrices of one modality."""
    adata, wanted = mdata.mod[name], spec.modality(name)
    where = f"modality '{name}'"
    require_unique_cells(adata.obs_names, where)
    require_cells(adata.n_obs, where)
    chosen = _block(adata, wanted, spec, f"modalities.{name}")
    target = chosen if wanted.target is None else _block(adata, wanted.target, spec, f"modalities.{name}.target")
    return ModalityData(name, cell_annotations(mdata, name), chosen, target)


def _measured(data: ModalityData, adata: AnnData, spec: Spec) -> ModalityData:
    """Leave out what was not measured, and check the values of what was."""
    wanted, place = spec.modality(data.name), f"modalities.{data.name}"
    data = without_absent(data, wanted.absent, spec.labels, spec.batch_key)
    require_cells(data.n_cells, f"modality '{data.name}'")
    source = _checked(data.input, data, wanted, adata, spec, place)
    if not any(step.cls.expects_counts for step in wanted.preprocess):
        warn_of_raw_counts(data.name, source.X)
        warn_of_unlogged(data.name, source.X)
    target = source
    if wanted.target is not None:
        target = _checked(data.target, data, wanted.target, adata, spec, f"{place}.target")
    steps = [step.cls for step in (wanted if wanted.target is None else wanted.target).preprocess]
    require_support(target, data.cells, steps, wanted.decoder.cls, adata, place, spec.where(f"{place}.decoder"))
    return data


def _block(adata: AnnData, wanted: Any, spec: Spec, key: str) -> Block:
    """Choose the matrix of an input or a target."""
    chosen = "layer" if wanted.layer is not None else "obsm" if wanted.obsm is not None else ""
    return choose_block(adata, wanted.layer, wanted.obsm, spec.where(f"{key}.{chosen}" if chosen else key))


def _checked(block: Block, data: ModalityData, wanted: Any, adata: AnnData, spec: Spec, key: str) -> Block:
    """Check the values of an input or a target; return those that were measured, with 0 for the others."""
    values, steps = measured_values(block), [step.cls for step in wanted.preprocess]
    require_finite(values, data.cells, spec.where(key), nan_allowed=nan_allowed(steps))
    judge_values(values, data.cells, adata, steps, key, spec.where(key))
    return values
