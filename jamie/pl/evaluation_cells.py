"""Measured beside imputed values, of the cells by which imputation is to be judged."""

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
from jamie.pl.results import measured, modality, partners

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

_MOST_VALUES = 2**25  # of one matrix; of more cells a part, taken evenly, stands for all
_FEWEST_CELLS = 3


@dataclass(frozen=True)
class EvaluationCells:
    """Cells whose values were imputed and measured.

    Parameters
    ----------
    source, target
        Modalities.
    block
        All measured values of the target.
    imputed
        As a run writes them.
    cells, rows, partners
        (k,) names of the cells in the source, their rows in `imputed`, and the rows of their partners in the target.
    said
        Which cells these are: ``held-out cells``, or ``all cells`` where none are held out.
    """

    source: str
    target: str
    block: Block
    imputed: AnnData
    cells: pd.Index
    rows: NDArray[np.intp]
    partners: NDArray[np.int64]
    said: str

    def measured(self, features: Sequence[str]) -> NDArray[np.float32]:
        """(k, f) values of some features as they were measured."""
        return to_dense(self.block.X[self.partners][:, self.block.features.get_indexer(pd.Index(features))])

    def values(self, features: Sequence[str], layer: str | None = None) -> NDArray[np.float32]:
        """(k, f) the same as they were imputed, or a layer of the imputed values."""
        chosen = self.imputed.X if layer is None else self.imputed.layers[layer]
        return to_dense(chosen[self.rows][:, self.imputed.var_names.get_indexer(pd.Index(features))])

    def training_moments(
        self, mdata: MuData, features: Sequence[str]
    ) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """Mean and standard deviation (f,) of features over the training cells, missing values left out."""
        split = mdata.mod[self.target].obs.get(SPLIT)
        used = slice(None) if split is None else np.flatnonzero(split.to_numpy() == TRAIN)
        values = self.block.X[used][:, self.block.features.get_indexer(pd.Index(features))]
        return column_means(values), np.sqrt(column_variances(values))


def evaluation_cells(
    mdata: MuData, imputed: AnnData, where: str, features: Sequence[str] | None = None
) -> EvaluationCells:
    """Find the cells of imputed values that were measured as well: those held out, where any are.

    Parameters
    ----------
    mdata
        Holds the measured values.
    imputed
        As a run writes them into ``imputed/``, or `jamie impute` does.
    where
        For messages.
    features
        That are wanted.

    Raises
    ------
    MissingResultError
        Where no such cells are there.
    DataError
        Where the imputed values do not say what they are, or a feature is unknown.
    """
    source, target = _ends(imputed, where)
    cells = modality(mdata, source, where).obs_names
    rows = imputed.obs_names.get_indexer(cells)
    partner = partners(mdata, source, target, where)
    both = (rows >= 0) & (partner >= 0)
    held_out = both.copy()
    for m, index in ((source, slice(None)), (target, partner)):
        split = mdata.mod[m].obs.get(SPLIT)
        held_out &= False if split is None else (split.to_numpy() == HELD_OUT)[index]
    chosen = np.flatnonzero(held_out if held_out.any() else both)
    if len(chosen) < _FEWEST_CELLS:
        problem = f"expected cells that were measured in {source} and {target}, found {len(chosen)}"
        raise MissingResultError(
            problem, where=where, fix="imputed values can be judged only where the true ones are known"
        )
    most = max(_MOST_VALUES // max(imputed.n_vars if features is None else len(features), 1), _FEWEST_CELLS)
    if len(chosen) > most:
        chosen = chosen[np.linspace(0, len(chosen) - 1, most).astype(np.intp)]
    block = measured(mdata, target, where)
    for name in () if features is None else features:
        if name not in block.features:
            raise DataError(f"unknown feature '{name}'", where=where, fix=suggest_names(name, block.features))
    said = "held-out cells" if held_out.any() else "all cells"
    return EvaluationCells(source, target, block, imputed, cells[chosen], rows[chosen], partner[chosen], said)


def _ends(imputed: AnnData, where: str) -> tuple[str, str]:
    told = imputed.uns.get(UNS_KEY, {})
    if "source" not in told or "target" not in told:
        raise DataError(
            'expected imputed values, whose uns["jamie"] names their source and target, found none of these',
            where=where,
            fix="give the AnnData of imputed/SOURCE-to-TARGET.h5ad, or what JAMIE.impute returns",
        )
    return str(told["source"]), str(told["target"])
