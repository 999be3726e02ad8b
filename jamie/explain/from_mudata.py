"""An explainer by its name, and a trained model in memory with the cells of a MuData."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jamie.core.context import Context
from jamie.core.correspondence import Correspondences
from jamie.core.data import Block, Dataset, ModalityData, Split
from jamie.core.errors import DataError
from jamie.core.interfaces import Explainer
from jamie.core.names import TRAIN
from jamie.core.registry import Registry
from jamie.data.align import find_features
from jamie.data.annotations import share_labels
from jamie.data.blocks import choose_matrix
from jamie.data.pairings.by_name import ByName
from jamie.data.requirements import contents_of, require_contents, with_elements
from jamie.explain.explained_model import ExplainedModel
from jamie.model.choose_modalities import known_modalities
from jamie.model.fitted_model import FittedModel
from jamie.model.query import MAX_MISSING, Query, pairs_by_name
from jamie.spec import load_spec
from jamie.spec.requirements import Requirement

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

log = logging.getLogger(__name__)


def build_explainer(explainer: str | Explainer, params: Mapping[str, Any], registry: Registry) -> Explainer:
    """Return an explainer by its name in a registry, or the given instance.

    Raises
    ------
    SpecError
        If there is no such explainer or parameter.
    DataError
        If it is neither a name nor an explainer, or an instance is given with parameters.
    """
    if isinstance(explainer, str):
        spec = {"explain": [{explainer: dict(params)}]}
        return load_spec(spec, registry=registry, reads_data=False).explain[0].build()
    if isinstance(explainer, Explainer) and not params:
        return explainer
    is_instance = isinstance(explainer, Explainer)
    found = f"{type(explainer).__name__} with {', '.join(params)}" if is_instance else repr(explainer)
    raise DataError(
        f"expected the name of an explainer and its parameters, or an explainer alone, found {found}",
        where="explain",
        fix='write explain(mdata, "shap", features=3)',
    )


def explained_model(
    model: FittedModel,
    mdata: MuData,
    split_of: Callable[[str], NDArray[np.object_]],
    context: Context,
    max_missing: float = MAX_MISSING,
    explainer: Explainer | None = None,
) -> ExplainedModel:
    """Return a model with the cells of `mdata`, with the features of the model in its order.

    Labels are the spec's labels that the cells have. Known pairs follow the spec; if it pairs cells by name, any
    number of them may share their names.

    Parameters
    ----------
    model
        Trained.
    mdata
        With at least one of its modalities.
    split_of
        Returns the split (n,) of a modality's cells: ``train`` or another value; if no cell is of the training set,
        all count as training cells.
    context
        For its memory limit.
    max_missing
        Largest fraction of a modality's features that may be absent.
    explainer
        Which is given what it declares to read of the cells beside their matrices.

    Raises
    ------
    DataError
        If `mdata` has no modality of the model, or lacks a layer or too many features of one, or what the explainer
        reads.
    """
    modalities, train = {}, {}
    names = known_modalities(model, mdata.mod, "explain")
    words = () if explainer is None else explainer.required()
    wanted = [Requirement(word, f"explainer '{explainer.name}'", "explain") for word in words if explainer is not None]
    if wanted:
        contents = contents_of(mdata)
        require_contents(wanted, {m: contents[m] for m in names}, model.spec)
    for m in names:
        data, measured = _read_modality(model, m, mdata, context, max_missing)
        data = with_elements(data, wanted, mdata, model.spec)
        modalities[m] = data if measured.all() else data.subset(measured)
        train[m] = _training_cells(split_of(m)[measured], m)
    known = _known_pairs(model, modalities)
    truth = known.mutual_best()
    labels = tuple(label for label in model.spec.labels if any(label in data.obs for data in modalities.values()))
    dataset = Dataset(
        share_labels(modalities, truth, labels, "labels"),
        truth,
        known,
        labels,
        batch_key=None if model.batches is None else model.batches.column,
    )
    return ExplainedModel(model, dataset, Split(train), context)


def _training_cells(split: NDArray[np.object_], modality: str) -> NDArray[np.bool_]:
    """(n,) whether a cell is of the training set; True for all if none is, as a background is needed."""
    train = split == TRAIN
    if train.any():
        return train
    log.info("%s: no cell is of the training set, so all cells count as training cells", modality)
    return np.ones_like(train)


def _read_modality(
    model: FittedModel, name: str, mdata: MuData, context: Context, max_missing: float
) -> tuple[ModalityData, NDArray[np.bool_]]:
    """Read the cells of one modality, and which of them were measured."""
    query = Query.from_mudata(model, name, mdata, context, max_missing)
    block = target = query.block()
    if model.spec.modality(name).target is not None:
        target = _read_target(model, name, mdata.mod[name], context, max_missing)
    return ModalityData(name, query.obs, block, target), ~query.absent


def _read_target(model: FittedModel, name: str, adata: AnnData, context: Context, max_missing: float) -> Block:
    """Read what the decoder predicts, if the encoder reads something else; NaN for features that are absent."""
    settings, features = model.spec.modality(name).target, model.require(name).target_features
    where = f"modality '{name}', target"
    matrix = choose_matrix(adata, settings.layer if settings else None, settings.obsm if settings else None, where)
    absent = np.full(len(features), np.nan, np.float32)
    return find_features(matrix.features, features, absent, where, max_missing).apply(matrix.read(), context)


def _known_pairs(model: FittedModel, modalities: Mapping[str, ModalityData]) -> Correspondences:
    pairing = model.spec.correspondence.known
    if issubclass(pairing.cls, ByName):  # it refuses cells that share no names, which new cells may
        return pairs_by_name(pairing, {m: data.cells for m, data in modalities.items()})
    return pairing.build().pairs(modalities)
