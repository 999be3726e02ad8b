"""Labels that only some modalities carry."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from jamie.core.correspondence import Correspondences
from jamie.core.data import ModalityData

log = logging.getLogger(__name__)


def share_labels(
    modalities: Mapping[str, ModalityData], truth: Correspondences, labels: Sequence[str], where: str
) -> dict[str, ModalityData]:
    """Give matched cells the label of their true partner where their own modality lacks the column.

    Parameters
    ----------
    modalities
        Each label is in at least one.
    truth
        Pairs that count as true.
    labels
        Columns of obs.
    where
        Of the labels in the spec, for messages.
    """
    shared = dict(modalities)
    for label in labels:
        carriers = [name for name, modality in modalities.items() if label in modality.obs]
        for name in (name for name in modalities if name not in carriers):
            column = _of_partners(modalities[name].cells, label, {c: modalities[c] for c in carriers}, truth, name)
            if column.notna().any():
                obs = shared[name].obs.assign(**{label: column})
                shared[name] = replace(shared[name], obs=obs)
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


def _of_partners(
    cells: pd.Index, label: str, carriers: Mapping[str, ModalityData], truth: Correspondences, name: str
) -> pd.Series:
    """Label of each cell's partner in the first modality that has one; None for the other cells."""
    column = pd.Series(None, index=cells, dtype=object)
    for carrier, modality in carriers.items():
        partner = truth.between(name, carrier).best_partner()
        found = modality.obs[label].astype(object).iloc[partner].where(partner >= 0).set_axis(cells)
        column = column.where(column.notna(), found)
    return column
