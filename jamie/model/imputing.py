"""Imputing one modality of new cells from another, as far and as fast as the values are asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.data import Matrix
from jamie.core.errors import DataError
from jamie.core.imputed import Imputed, ImputedRows
from jamie.model.query import Query
from jamie.model.trained import TrainedModel

if TYPE_CHECKING:
    from anndata import AnnData


def imputed_query(query: Query, target: str, features: Iterable[str] | None = None) -> Imputed:
    """Impute new cells.

    Parameters
    ----------
    query
        The cells, of the source.
    target
        Modality to impute.
    features
        Its features to impute; all by default.

    Raises
    ------
    DataError
        Where the model has no such modality or feature.
    """
    model, source = query.model, query.modality
    known = model.require(target)
    columns = None if features is None else _columns_of(known.target_features, list(dict.fromkeys(features)), target)
    names = known.target_features if columns is None else known.target_features[columns]
    in_units = known.target_chain.inverse(columns)

    def rows(some: slice) -> ImputedRows:
        cells = query.read(some)
        return ImputedRows(dense(in_units(model.impute_scores(source, target, cells.scores, cells.covariates))))

    return Imputed(
        obs=query.obs,
        var=pd.DataFrame(index=names),
        layers=(),
        provenance=provenance(source, target, known.target_origin),
        rows=rows,
    )


def provenance(source: str, target: str, origin: str) -> dict[str, str]:
    """Say what imputed values are: from which modality, and in which units."""
    return {"source": source, "target": target, "units": f"as {origin} of {target}"}


def modalities_that_fit(model: TrainedModel, adata: AnnData, max_missing: float) -> list[str]:
    """Modalities of the model that an AnnData may hold, by the features that it has."""
    found = []
    for name, known in model.modalities.items():
        settings = model.spec.modality(name)
        if settings.obsm is not None:
            fits = settings.obsm in adata.obsm
        else:
            fits = known.features.isin(adata.var_names).mean() >= 1 - max_missing
        found += [name] if fits else []
    return found


def choose_direction(
    model: TrainedModel, present: Collection[str], source: str | None, target: str | None
) -> tuple[str, str]:
    """Return the modality to impute from and the one to impute, where those that are not given follow from the rest.

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
        Where one of them is unknown to the model, or does not follow.
    """
    for one in (source, target):
        if one is not None:
            model.require(one)
    if source is None and target is not None and len(model.modalities) == 2:
        (source,) = (m for m in model.modalities if m != target)
    if source is None:
        source = _only([m for m in model.modalities if m in present and m != target], "source", "measured", present)
    if target is None:
        others = [m for m in model.modalities if m != source]
        target = _only(others, "to", "to impute", model.modalities)
    return source, target


def _only(candidates: list[str], option: str, role: str, among: Collection[str]) -> str:
    if len(candidates) == 1:
        return candidates[0]
    found = ", ".join(candidates) if candidates else f"none among {', '.join(among) or 'no modality'}"
    raise DataError(
        f"expected '{option}', the modality that is {role}, or only one that it can be; found {found}",
        where="impute",
        fix=f"give --{option} (in Python {option}=): {' or '.join(candidates)}" if candidates else "check the data",
    )


def _columns_of(names: pd.Index, features: list[str], target: str) -> NDArray[np.int64]:
    columns = names.get_indexer(pd.Index(features))
    if (columns < 0).any():
        absent = [str(f) for f, column in zip(features, columns, strict=True) if column < 0]
        raise DataError(
            f"expected features of the model, found {len(absent)} others; the first is '{absent[0]}'",
            where=f"modality '{target}'",
            fix=f"its features look like {', '.join(map(repr, names[:3]))}",
        )
    return columns.astype(np.int64)


def dense(values: Matrix) -> NDArray[np.float32]:
    """Return imputed values as an array, whatever the last step of preprocessing gives."""
    some: Any = values
    return some.toarray() if sparse.issparse(values) else np.asarray(values, np.float32)
