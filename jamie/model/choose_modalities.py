"""Modalities and features of a model that a user names, or that follow from the data."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.errors import DataError
from jamie.core.sources import JointSources
from jamie.data.blocks import reads_raw
from jamie.data.checks.modalities import require_modality
from jamie.model.fitted_model import FittedModel

if TYPE_CHECKING:
    from anndata import AnnData


def known_modalities(model: FittedModel, present: Collection[str], where: str) -> list[str]:
    """Return the modalities of the model that are present, in its order.

    Raises
    ------
    DataError
        If none is present.
    """
    known = [m for m in model.modalities if m in present]
    if not known:
        raise DataError(
            f"expected at least one of the modalities {', '.join(model.modalities)}, "
            f"found {', '.join(present) or 'none'}",
            where=where,
            fix="name the modalities as in training",
        )
    return known


def compatible_modalities(model: FittedModel, adata: AnnData, max_missing: float) -> list[str]:
    """Modalities of the model whose features an AnnData has, up to a fraction that may be missing."""

    def fits(modality: str) -> bool:
        settings = model.spec.modality(modality)
        if settings.obsm is not None:
            return settings.obsm in adata.obsm
        names = adata.raw.var_names if reads_raw(adata, settings.layer) else adata.var_names
        return bool(model.modalities[modality].features.isin(names).mean() >= 1 - max_missing)

    return [m for m in model.modalities if fits(m)]


def choose_direction(
    model: FittedModel, present: Collection[str], source: str | None, target: str | None
) -> tuple[str, str]:
    """Return the modality to impute from and the one to impute; one that is not given must follow from the rest.

    Parameters
    ----------
    model
        Trained.
    present
        Modalities that the data may hold.
    source, target
        As given.

    Raises
    ------
    DataError
        If one of them is unknown to the model, or does not follow, or if they are the same.
    """
    for modality in (source, target):
        if modality is not None:
            model.require(modality)
    if source is not None:
        _require_different([source], target)
    if source is None and target is not None and len(model.modalities) == 2:
        (source,) = (m for m in model.modalities if m != target)
    if source is None:
        source = _only([m for m in model.modalities if m in present and m != target], "source", "measured", present)
    if target is None:
        others = [m for m in model.modalities if m != source]
        target = _only(others, "to", "imputed", model.modalities)
    return source, target


def choose_sources(
    model: FittedModel, present: Collection[str], sources: Sequence[str], target: str | None
) -> JointSources:
    """Return several modalities to impute from, in the order of the model, and the one to impute.

    Parameters
    ----------
    model
        Trained.
    present
        Modalities of the data.
    sources
        Two or more.
    target
        As given; the only other modality of the model by default.

    Raises
    ------
    DataError
        If one of them is unknown to the model, absent from the data or named twice, or the target does not follow.
    """
    for modality in (*sources, target):
        if modality is not None:
            model.require(modality)
    _require_different(sources, target)
    for source in sources:
        require_modality(source, present, "impute")
    if target is None:
        target = _only([m for m in model.modalities if m not in sources], "to", "imputed", model.modalities)
    return JointSources(tuple(m for m in model.modalities if m in sources), target)


def _require_different(sources: Sequence[str], target: str | None) -> None:
    twice = [source for i, source in enumerate(sources) if source in (*sources[:i], target)]
    if twice:
        raise DataError(
            f"expected different modalities as sources and target, found '{twice[0]}' twice",
            where="impute",
            fix="name each modality once",
        )


def _only(candidates: list[str], option: str, role: str, among: Collection[str]) -> str:
    if len(candidates) == 1:
        return candidates[0]
    found = ", ".join(candidates) or f"none among {', '.join(among) or 'the modalities whose features the data have'}"
    fix = f"give --{option} (in Python, {option}=): {' or '.join(candidates)}"
    raise DataError(
        f"expected '{option}', the modality that is {role}, or only one that it can be; found {found}",
        where="impute",
        fix=fix if candidates else f"name the modalities and features as in training, or give --{option}",
    )


def target_columns(model: FittedModel, target: str, features: Iterable[str]) -> NDArray[np.int64]:
    """Positions of features, each once, among the features that the model imputes of a modality.

    Raises
    ------
    DataError
        If the model lacks the modality or a feature.
    """
    names, features = model.require(target).target_features, list(dict.fromkeys(features))
    columns = names.get_indexer(pd.Index(features))
    absent = [str(f) for f, column in zip(features, columns, strict=True) if column < 0]
    if absent:
        raise DataError(
            f"expected features of the model, found {len(absent)} other{'s' * (len(absent) > 1)}; "
            f"the first is '{absent[0]}'",
            where=f"modality '{target}'",
            fix=f"its features look like {', '.join(map(repr, names[:3]))}",
        )
    return columns.astype(np.int64)
