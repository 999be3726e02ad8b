"""Which cells are scored together, and by which labels."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.correspondence import Correspondence
from jamie.core.data import Dataset, Split
from jamie.core.labels import label_series
from jamie.core.names import ALL_CELLS, HELD_OUT_CELLS, HELD_OUT_PAIRS, TRAINING_CELLS

log = logging.getLogger(__name__)

PREFERRED = (HELD_OUT_CELLS, HELD_OUT_PAIRS, ALL_CELLS, TRAINING_CELLS)  # the most honest first

MOST_DISTINCT = 0.5  # of the labelled cells; a label that hardly any two cells share tells nothing


@dataclass(frozen=True)
class Scope:
    """Cells of two modalities that are scored among themselves.

    Parameters
    ----------
    name
        As in the records.
    cells
        Indices of the cells of each of the two.
    truth
        The true pairs among these cells, in their order.
    """

    name: str
    cells: Mapping[str, NDArray[np.int64]]
    truth: Correspondence


def scopes(dataset: Dataset, split: Split, a: str, b: str) -> list[Scope]:
    """Return those scopes of two modalities that have cells of both."""
    truth = dataset.truth.between(a, b)
    every = {m: np.arange(dataset.sizes[m]) for m in (a, b)}
    found = {ALL_CELLS: (every, truth)}
    if split.any_held_out:
        found[TRAINING_CELLS] = ({m: np.flatnonzero(split.train[m]) for m in (a, b)}, truth)
        found[HELD_OUT_CELLS] = ({m: np.flatnonzero(split.held_out[m]) for m in (a, b)}, truth)
    untold = truth.without(dataset.known.between(a, b))
    rows, columns = untold.pairs()
    trained = split.train[a][rows] & split.train[b][columns]
    found[HELD_OUT_PAIRS] = ({a: np.unique(rows[trained]), b: np.unique(columns[trained])}, untold)
    return [
        Scope(name, cells, pairs.subset(cells[a], cells[b]))
        for name, (cells, pairs) in found.items()
        if all(len(index) for index in cells.values())
    ]


def usable_labels(dataset: Dataset, a: str, b: str) -> list[str]:
    """Return the labels of both modalities by which cells can be compared, and tell of those that fail."""
    usable = []
    for label in dataset.labels:
        obs = {m: dataset.modalities[m].obs for m in (a, b)}
        if any(label not in frame for frame in obs.values()):
            continue  # the data stage tells
        reason = _unusable({m: label_series(frame[label]).dropna() for m, frame in obs.items()})
        if reason:
            log.warning("label '%s' of %s and %s is not scored: %s", label, a, b, reason)
        else:
            usable.append(label)
    return usable


def _unusable(values: Mapping[str, pd.Series]) -> str:
    """Say why labels cannot be compared between modalities; empty where they can."""
    for m, column in values.items():
        if column.empty:
            return f"no cell of {m} has one"
        if column.nunique() > max(1, MOST_DISTINCT * len(column)):
            return f"{len(column)} cells of {m} have {column.nunique()} different values"
    first, second = values.values()
    if not first.isin(second).any():
        shown = " and ".join(f"'{column.iloc[0]}' in {m}" for m, column in values.items())
        return f"they have no value in common, such as {shown}"
    return ""
