"""Annotations of the cells of a modality: its own, those of the MuData, and labels of partners."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from jamie.core.correspondence import Correspondences
from jamie.core.data import ModalityData

if TYPE_CHECKING:
    from mudata import MuData

log = logging.getLogger(__name__)


def cell_annotations(mdata: MuData, name: str) -> pd.DataFrame:
    """Return the obs of one modality, with the columns that only the MuData's own obs has."""
    return join_annotations(mdata.mod[name].obs, mdata.obs, mdata.mod)


def join_annotations(own: pd.DataFrame, shared: pd.DataFrame, modalities: Iterable[str]) -> pd.DataFrame:
    """Add to the obs of one modality the columns that only the obs of all modalities has."""
    obs = own.copy()
    obs.index = obs.index.astype(str)
    prefixes = tuple(f"{modality}:" for modality in modalities)
    for column in shared.columns:
        if column not in obs and not str(column).startswith(prefixes):
            obs[column] = shared[column].reindex(obs.index)
    return obs


def share_labels(
    modalities: Mapping[str, ModalityData], truth: Correspondences, labels: Sequence[str], where: str
) -> dict[str, ModalityData]:
    """Give matched cells the label of their true partner if their own modality lacks the column.

    Parameters
    ----------
    modalities
        Each label is in at least one.
    truth
        Pairs that count as true.
    labels
        Columns of obs.
    where
        Key of the labels in the spec, for messages.
    """
    shared = dict(modalities)
    for label in labels:
        carriers = [name for name, data in modalities.items() if label in data.obs]
        for name in (name for name in modalities if name not in carriers):
            cells = modalities[name].cells
            column = pd.Series(None, index=cells, dtype=object)
            for carrier in carriers:  # the first in which a cell has a partner counts
                partner = truth.between(name, carrier).best_partner()
                values = modalities[carrier].obs[label].astype(object)
                column = column.where(column.notna(), values.iloc[partner].where(partner >= 0).set_axis(cells))
            if column.notna().any():
                shared[name] = replace(shared[name], obs=shared[name].obs.assign(**{label: column}))
                log.info(
                    "%s: obs of %s has no column '%s'; %d of %d cells are scored by the label of their partner in %s",
                    *(where, name, label, column.notna().sum(), len(column), ", ".join(carriers)),
                )
            else:
                log.warning(
                    "%s: obs of %s has no column '%s', so nothing is scored by it there; put the column into the "
                    "MuData's own obs",
                    *(where, name, label),
                )
    return shared
