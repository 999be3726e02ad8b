"""The column of obs that tells which batch a cell comes from."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from jamie.core.data import ModalityData
from jamie.core.errors import DataError
from jamie.core.matrix import format_percent
from jamie.core.suggest import suggest_names

MANY = 50  # batches beyond which the column rather tells cells apart

log = logging.getLogger(__name__)


def require_batches(column: str | None, modalities: Mapping[str, ModalityData], where: str) -> None:
    """Refuse a column that a modality lacks, or that has gaps; warn of very many batches.

    Parameters
    ----------
    column
        Of obs; None where batches are not told apart.
    modalities
        With the columns that only the MuData's own obs has.
    where
        Of the setting, for messages.

    Raises
    ------
    DataError
        Naming the modality, and the number of cells without a batch.
    """
    if column is None:
        return
    for name, modality in modalities.items():
        if column not in modality.obs:
            raise DataError(
                f"expected a column '{column}' in obs of modality '{name}' or of the MuData, found it in neither",
                where=where,
                fix=_where_else(column, modality, modalities),
            )
        n_missing = int(modality.obs[column].isna().sum())
        if n_missing:
            raise DataError(
                f"expected a batch for every cell, found {n_missing} cells of modality '{name}' "
                f"({format_percent(n_missing, modality.n_cells)}) without one in obs '{column}'",
                where=where,
                fix="fill the gaps, perhaps with a value of their own such as 'unknown', or remove these cells",
            )
    _warn_of_many(column, modalities, where)


def _where_else(column: str, lacking: ModalityData, modalities: Mapping[str, ModalityData]) -> str:
    """Say which other modality has the column, or which columns there are."""
    carriers = [name for name, modality in modalities.items() if column in modality.obs]
    if not carriers:
        return suggest_names(column, lacking.obs.columns)
    return f"{', '.join(carriers)} has it: put it into obs of '{lacking.name}' too, or into the MuData's own obs"


def _warn_of_many(column: str, modalities: Mapping[str, ModalityData], where: str) -> None:
    n_batches = len({value for modality in modalities.values() for value in modality.labels(column)})
    if n_batches > MANY:
        log.warning(
            "%s: obs '%s' has %d values; batches with few cells teach the networks little, and may let them remember "
            "cells: choose a coarser column",
            *(where, column, n_batches),
        )
