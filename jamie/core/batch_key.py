"""Batches of cells, such as donors or sequencing runs, as covariates of the networks."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

log = logging.getLogger(__name__)

SHOWN = 3  # names of unknown batches in a message


@dataclass(frozen=True)
class BatchKey:
    """The batches that training cells come from.

    Parameters
    ----------
    column
        Column of obs that names a cell's batch.
    categories : (C,)
        Values of that column among the training cells of all modalities, sorted.
    """

    column: str
    categories: tuple[str, ...]

    @classmethod
    def of(cls, column: str, training: Iterable[NDArray[np.object_]]) -> Self:
        """Return the batches that occur among the training cells, given one array of values for each modality."""
        return cls(column, tuple(sorted({str(value) for values in training for value in values})))

    def covariates(self, values: NDArray[np.object_], where: str) -> NDArray[np.float32]:
        """One-hot covariates (n, C) of cells, from the batch of each as text, None where there is none.

        A batch that no training cell is of has a row of zeros, for which the network takes the frequencies of the
        training cells' batches; a warning names it.
        """
        column = pd.Index(self.categories).get_indexer(pd.Index(values, dtype=object))
        covariates = np.zeros((len(values), len(self.categories)), np.float32)
        known = np.flatnonzero(column >= 0)
        covariates[known, column[known]] = 1
        if len(known) < len(values):
            others = sorted({"none" if v is None else f"'{v}'" for v in values[column < 0]})
            shown = ", ".join(others[:SHOWN]) + (f" and {len(others) - SHOWN} more" if len(others) > SHOWN else "")
            log.warning(
                "%s: %d of %d cells have a batch (obs '%s') that no training cell has: %s; they are treated as a "
                "mixture of the training cells' batches",
                *(where, len(values) - len(known), len(values), self.column, shown),
            )
        return covariates

    def unknown(self, n_cells: int) -> NDArray[np.float32]:
        """Covariates (n, C) of cells whose batch is not known."""
        return np.zeros((n_cells, len(self.categories)), np.float32)
