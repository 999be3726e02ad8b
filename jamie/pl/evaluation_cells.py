"""Measured and imputed values of the cells on which imputation is evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.data import Block
from jamie.core.errors import DataError, MissingResultError
from jamie.core.matrix import column_means, column_variances, to_dense
from jamie.core.names import HELD_OUT, SPLIT, TRAIN, UNS_KEY
from jamie.core.suggest import suggest_names
from jamie.pl.results import get_modality, measured_block, true_partners

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

_MOST_VALUES = 2**25  # of one matrix; beyond, an evenly spaced subset of the cells is used
_FEWEST_CELLS = 3


@dataclass(frozen=True)
class EvaluationCells:
    """Cells whose values were both imputed and measured.

    Parameters
    ----------
    source, first, target
        The source as the tables name it, the modality that the cells are of, the first of several sources, and the
        target.
    block
        All measured values of the target.
    imputed
        Imputed values, as a run writes them.
    cells, rows, partners
        (k,) names of the cells in the source, their rows in `imputed`, and the rows of their partners in the target.
    """

    source: str
    first: str
    target: str
    block: Block
    imputed: AnnData
    cells: pd.Index
    rows: NDArray[np.intp]
    partners: NDArray[np.int64]

    def measured(self, features: Sequence[str]) -> NDArray[np.float32]:
        """Return the measured values (k, f) of features."""
        return to_dense(self.block.X[self.partners][:, self.block.features.get_indexer(pd.Index(features))])

    def values(self, features: Sequence[str], layer: str | None = None) -> NDArray[np.float32]:
        """Return the imputed values (k, f) of features, or a layer of them."""
        values = self.imputed.X if layer is None else self.imputed.layers[layer]
        return to_dense(values[self.rows][:, self.imputed.var_names.get_indexer(pd.Index(features))])

    def training_moments(
        self, mdata: MuData, features: Sequence[str]
    ) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """Return mean and standard deviation (f,) of features over the training cells, ignoring missing values."""
        split = mdata.mod[self.target].obs.get(SPLIT)
        cells = slice(None) if split is None else np.flatnonzero(split.to_numpy() == TRAIN)
        values = self.block.X[cells][:, self.block.features.get_indexer(pd.Index(features))]
        return column_means(values), np.sqrt(column_variances(values))


def evaluation_cells(mdata: MuData, imputed: AnnData, features: Sequence[str] | None = None) -> EvaluationCells:
    """Return the cells of imputed values that were measured as well: the held-out cells if there are any.

    Parameters
    ----------
    mdata
        Result of a run with the measured values.
    imputed
        Imputed values, as in ``imputed/SOURCE-to-TARGET.h5ad`` or as returned by `JAMIE.impute`.
    features
        Features of the target that will be read; all by default.

    Raises
    ------
    MissingResultError
        If there are no such cells.
    DataError
        If the imputed values do not name their source and target, or a feature is unknown.
    """
    names = imputed.uns.get(UNS_KEY, {})
    if "source" not in names or "target" not in names:
        raise DataError(
            'expected imputed values, whose uns["jamie"] names their source and target, found none of these',
            fix="give the AnnData of imputed/SOURCE-to-TARGET.h5ad, or what JAMIE.impute returns",
        )
    source, target = str(names["source"]), str(names["target"])
    first = str(next(iter(names.get("sources", [source]))))
    cells = get_modality(mdata, first).obs_names
    rows = imputed.obs_names.get_indexer(cells)
    partner = true_partners(mdata, first, target)
    both = (rows >= 0) & (partner >= 0)
    held_out = both.copy()
    for m, index in ((first, slice(None)), (target, partner)):
        split = mdata.mod[m].obs.get(SPLIT)
        held_out &= False if split is None else (split.to_numpy() == HELD_OUT)[index]
    selected = np.flatnonzero(held_out if held_out.any() else both)
    if len(selected) < _FEWEST_CELLS:
        problem = f"expected cells that were measured in {source} and {target}, found {len(selected)}"
        raise MissingResultError(problem, fix="imputed values can be evaluated only where measured values are known")
    most = max(_MOST_VALUES // max(imputed.n_vars if features is None else len(features), 1), _FEWEST_CELLS)
    if len(selected) > most:
        selected = selected[np.linspace(0, len(selected) - 1, most).astype(np.intp)]
    block = measured_block(mdata, target)
    for name in features or ():
        if name not in block.features:
            raise DataError(f"unknown feature '{name}'", fix=suggest_names(name, block.features))
    return EvaluationCells(source, first, target, block, imputed, cells[selected], rows[selected], partner[selected])
