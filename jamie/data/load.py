"""The data stage: read, choose, check, pair."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jamie.core.context import Context
from jamie.core.correspondence import Correspondences
from jamie.core.data import Block, Dataset, ModalityData, Split
from jamie.core.interfaces.preprocessor import nan_allowed
from jamie.data.annotations import cell_annotations, share_labels
from jamie.data.assemble import require_unique_cells
from jamie.data.blocks import choose_block
from jamie.data.checks.labels import check_groupings, require_batches, require_labels
from jamie.data.checks.modalities import modality_names, require_cells, require_flat
from jamie.data.checks.support import require_support
from jamie.data.checks.values import check_values, require_finite, warn_of_copies, warn_of_unnormalized
from jamie.data.links import linked_features
from jamie.data.pairing_table import PairingTable, pairing_table
from jamie.data.requirements import contents_of, grant, require_contents, require_links, with_elements
from jamie.data.splits.holdout import hide_pairs, split_cells
from jamie.data.splits.training_cells import draw_training_cells
from jamie.data.unmeasured.absent import measured_values, without_absent
from jamie.data.unmeasured.empty_droplets import without_empty_droplets

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

    from jamie.spec import Spec

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadedData:
    """Result of the data stage.

    Parameters
    ----------
    mdata
        As read.
    dataset
        The chosen matrices, checked, with their pairs.
    split
        Which of its cells are held out.
    pairing_table
        Cells per modality, shared and unmatched.
    """

    mdata: MuData
    dataset: Dataset
    split: Split
    pairing_table: PairingTable


def load_dataset(spec: Spec, context: Context) -> LoadedData:
    """Read the data that a spec names, and make the dataset that it describes.

    Raises
    ------
    DataError
        Where the data do not fit the spec.
    """
    reader, wanted = spec.data.build(), spec.requirements()
    contents = reader.contents() if wanted else None
    if contents is not None:
        require_contents(wanted, contents, spec)
    return dataset_from(reader.read(context.for_stage("data")), spec, context)


def dataset_from(mdata: MuData, spec: Spec, context: Context) -> LoadedData:
    """Make the dataset that a spec describes of cells that are in memory already; `mdata` is not modified."""
    require_flat(mdata, "data")
    names = modality_names(mdata, [name for name in spec.modalities if name != "*"], spec.where("modalities"))
    wanted = spec.requirements()
    if wanted:
        require_contents(wanted, contents_of(mdata), spec)
    listed = {name: with_elements(modality_data(mdata, name, spec), wanted, mdata, spec) for name in names}
    modalities = {name: _measured(data, mdata.mod[name], spec) for name, data in listed.items()}
    require_labels(spec.labels, modalities, spec.where("labels"))
    pairs = spec.correspondence.known.build().pairs(modalities)
    warn_of_copies(modalities)
    modalities, pairs = without_empty_droplets(mdata, modalities, pairs, spec)
    absent = {name: data.cells.difference(modalities[name].cells, sort=False) for name, data in listed.items()}
    require_batches(spec.batch_key, modalities, spec.where("batch_key"))
    truth = _true_pairs(pairs)
    check_groupings(spec.labels, spec.batch_key, spec.evaluate.holdout.group, modalities, truth, spec.where)
    modalities = share_labels(modalities, truth, spec.labels, spec.where("labels"))
    cells = {name: data.cells for name, data in modalities.items()}
    known = hide_pairs(pairs, cells, spec.evaluate.known_pairs, context)
    features = {name: data.input.features for name, data in modalities.items()}
    links = linked_features(features, spec.correspondence.links, spec.where("correspondence.links"))
    require_links(wanted, links, spec)
    dataset = Dataset(modalities, truth, known, tuple(spec.labels), links, spec.batch_key, absent)
    dataset, split = _split(dataset, spec, context)
    if wanted or spec.train_labels:
        dataset = grant(dataset, split, wanted, spec, context)
    table = pairing_table(dataset.truth, dataset.known)
    log.info("pairing:\n%s", table.to_text())
    return LoadedData(mdata, dataset, split, table)


def _split(dataset: Dataset, spec: Spec, context: Context) -> tuple[Dataset, Split]:
    """Hold cells out, and leave training cells out where the spec asks for few."""
    holdout, n = spec.evaluate.holdout, spec.evaluate.training_cells
    split = split_cells(dataset, holdout, context)
    if n is None:
        return dataset, split
    return draw_training_cells(dataset, split, n, f"{holdout.column}/{holdout.fold}", context)


def _true_pairs(pairs: Correspondences) -> Correspondences:
    """Return the pairs that count as true; log where these are not all known pairs, or not one to one."""
    truth = pairs.mutual_best()
    for (a, b), best in truth.items():
        n_known = pairs.between(a, b).n_pairs
        if best.n_pairs < n_known:
            log.info("%s--%s: of %d known pairs, %d are both cells' best", a, b, n_known, best.n_pairs)
        n_tied = sum(int((np.diff(side.matrix.indptr) > 1).sum()) for side in (best, best.T))
        if n_tied:
            log.warning(
                "%s--%s: %d cells have several equally likely partners; in evaluation each of these counts as true",
                *(a, b, n_tied),
            )
    return truth


def modality_data(mdata: MuData, name: str, spec: Spec) -> ModalityData:
    """Choose the matrices of one modality."""
    adata, settings, where = mdata.mod[name], spec.modality(name), f"modality '{name}'"
    require_unique_cells(adata.obs_names, where)
    require_cells(adata.n_obs, where)

    def block(chosen: Any, key: str) -> Block:
        source = "layer" if chosen.layer is not None else "obsm" if chosen.obsm is not None else ""
        return choose_block(adata, chosen.layer, chosen.obsm, spec.where(f"{key}.{source}" if source else key))

    given = block(settings, f"modalities.{name}")
    target = given if settings.target is None else block(settings.target, f"modalities.{name}.target")
    return ModalityData(name, cell_annotations(mdata, name), given, target)


def _measured(data: ModalityData, adata: AnnData, spec: Spec) -> ModalityData:
    """Leave out what was not measured, and check the values of the rest."""
    settings, key = spec.modality(data.name), f"modalities.{data.name}"
    data = without_absent(data, settings.absent, spec.labels, spec.batch_key)
    require_cells(data.n_cells, f"modality '{data.name}'")

    def checked(block: Block, steps: list[Any], key: str) -> Block:
        values = measured_values(block)
        require_finite(values, data.cells, spec.where(key), nan_allowed=nan_allowed(steps))
        check_values(values, data.cells, adata, steps, key, spec.where(key))
        return values

    steps = [step.cls for step in settings.preprocess]
    values = checked(data.input, steps, key)
    if not any(step.expects_counts for step in steps):
        warn_of_unnormalized(data.name, values.X)
    if settings.target is not None:
        steps = [step.cls for step in settings.target.preprocess]
        values = checked(data.target, steps, f"{key}.target")
    require_support(values, data.cells, steps, settings.decoder.cls, adata, key, spec.where(f"{key}.decoder"))
    return data
