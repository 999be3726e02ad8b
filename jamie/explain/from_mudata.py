"""What is asked of a trained model in memory: an explainer by its name, cells by those of their features."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jamie.core.context import Context
from jamie.core.correspondence import Correspondences
from jamie.core.data import Block, Dataset, ModalityData, Split
from jamie.core.errors import DataError
from jamie.core.interfaces import Explainer
from jamie.core.names import TRAIN
from jamie.data.align import find_features
from jamie.data.annotations import share_labels
from jamie.data.blocks import choose_matrix
from jamie.data.pairings.by_name import ByName
from jamie.explain.explained_model import Explained
from jamie.model.direction import known_modalities
from jamie.model.query import MAX_MISSING, Query, pairs_by_name
from jamie.model.trained import TrainedModel
from jamie.spec import load_spec

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

log = logging.getLogger(__name__)


def explainer_of(given: str | Explainer, params: Mapping[str, Any], plugins: Sequence[Path]) -> Explainer:
    """Build an explainer by its name, which a plugin may provide; one that is built already stays.

    Raises
    ------
    SpecError
        Where there is no such explainer or parameter.
    DataError
        Where it is neither a name nor an explainer, or comes with parameters that it has already.
    """
    if isinstance(given, str):
        asked = {"plugins": list(plugins), "explain": [{given: dict(params)}]}
        return load_spec(asked, reads_data=False).explain[0].build()
    if isinstance(given, Explainer) and not params:
        return given
    found = f"{type(given).__name__} with {', '.join(params)}" if isinstance(given, Explainer) else repr(given)
    raise DataError(
        f"expected the name of an explainer and its parameters, or an explainer alone, found {found}",
        where="explain",
        fix='write explain(mdata, "shap", features=3)',
    )


def _some_of(train: NDArray[np.bool_], modality: str) -> NDArray[np.bool_]:
    """Return which cells (n,) are of the training; all where none is, as there must be something to compare with."""
    if train.any():
        return train
    log.info("%s: no cell is of the training, so all cells count as training cells", modality)
    return np.ones_like(train)


def explained(
    model: TrainedModel,
    mdata: MuData,
    split_of: Callable[[str], NDArray[np.object_]],
    context: Context,
    max_missing: float = MAX_MISSING,
) -> Explained:
    """Return a model with the cells of `mdata`, with the features of the model in its order.

    Labels are those of the model's spec, as far as the cells have them. Pairs follow the spec too; by name they may be
    as few as there are.

    Parameters
    ----------
    model
        Trained.
    mdata
        With at least one of its modalities.
    split_of
        Gives (n,) ``train`` or something else of the cells of a modality; where none is, all count as training cells.
    context
        For its memory limit.
    max_missing
        Largest fraction of a modality's features that may be absent.

    Raises
    ------
    DataError
        Where `mdata` has no modality of the model, or lacks a layer or too many features of one.
    """
    present = known_modalities(model, mdata.mod, "explain")
    given = {m: _modality(model, m, mdata, context, max_missing) for m in present}
    dataset = _dataset(model, {m: d if measured.all() else d.subset(measured) for m, (d, measured) in given.items()})
    split = {m: _some_of((split_of(m) == TRAIN)[measured], m) for m, (_, measured) in given.items()}
    return Explained(model, dataset, Split(split), context)


def _dataset(model: TrainedModel, modalities: Mapping[str, ModalityData]) -> Dataset:
    known = _known(model, modalities)
    truth = known.mutual_best()
    labels = tuple(label for label in model.spec.labels if any(label in one.obs for one in modalities.values()))
    return Dataset(
        share_labels(modalities, truth, labels, "labels"),
        truth,
        known,
        labels,
        batch_key=None if model.batches is None else model.batches.column,
    )


def _modality(
    model: TrainedModel, name: str, mdata: MuData, context: Context, max_missing: float
) -> tuple[ModalityData, NDArray[np.bool_]]:
    """Read the cells of one modality; which of them were measured."""
    query = Query.from_mudata(model, name, mdata, context, max_missing)
    block, target = query.block(), None
    if model.spec.modality(name).target is not None:
        target = _target(model, name, mdata.mod[name], context, max_missing)
    return ModalityData(name, query.obs, block, block if target is None else target), ~query.absent


def _target(model: TrainedModel, name: str, adata: AnnData, context: Context, max_missing: float) -> Block:
    """Read what the decoder predicts, where the encoder reads something else; NaN for features that are absent."""
    settings, features = model.spec.modality(name).target, model.require(name).target_features
    where = f"modality '{name}', target"
    matrix = choose_matrix(adata, settings.layer if settings else None, settings.obsm if settings else None, where)
    absent = np.full(len(features), np.nan, np.float32)
    return find_features(matrix.features, features, absent, where, max_missing).apply(matrix.read(), context)


def _known(model: TrainedModel, modalities: Mapping[str, ModalityData]) -> Correspondences:
    pairing = model.spec.correspondence.known
    if issubclass(pairing.cls, ByName):  # which refuses cells that share no names, as new ones may
        return pairs_by_name(pairing, {m: one.cells for m, one in modalities.items()})
    return pairing.build().pairs(modalities)
