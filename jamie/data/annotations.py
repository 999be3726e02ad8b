"""Annotations of the cells of one modality, those that stand with all modalities among them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from mudata import MuData


def cell_annotations(mdata: MuData, name: str) -> pd.DataFrame:
    """Return the obs of one modality, with the columns that only the MuData's own obs has."""
    return join_annotations(mdata.mod[name].obs, mdata.obs, mdata.mod)


def join_annotations(own: pd.DataFrame, of_all: pd.DataFrame, modalities: Iterable[str]) -> pd.DataFrame:
    """Add to the obs of one modality the columns that only the obs of all modalities has."""
    obs = own.copy()
    obs.index = obs.index.astype(str)
    prefixes = tuple(f"{modality}:" for modality in modalities)
    for column in of_all.columns:
        if column not in obs and not str(column).startswith(prefixes):
            obs[column] = of_all[column].reindex(obs.index)
    return obs
