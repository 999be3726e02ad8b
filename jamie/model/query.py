"""New cells for a trained model: their features found by name, their order and units the model's own."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.context import Context
from jamie.core.correspondence import Correspondences
from jamie.core.data import Block
from jamie.core.errors import DataError
from jamie.core.interfaces.pairing import Pairing
from jamie.core.interfaces.preprocessor import nan_allowed
from jamie.core.panels import lacking, with_rows
from jamie.core.values import column_means, column_range, stored_values
from jamie.data.align import find_features
from jamie.data.annotations import cell_annotations
from jamie.data.assemble import require_unique_cells
from jamie.data.blocks import choose_matrix
from jamie.data.checks.value_kinds import LARGEST_LEVEL, largest_count
from jamie.data.checks.values import require_finite
from jamie.data.pairings.by_name import ByName
from jamie.data.unmeasured.absent import missing_cells, zero_cells
from jamie.model.trained import TrainedModel
from jamie.spec.ref import Ref

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

log = logging.getLogger(__name__)

MAX_MISSING = 0.2
_NO_NAN = (
    "the model was trained without fill_missing: remove these cells or values, or train again with fill_missing first"
)
_LARGEST_RATIO = 5  # of mean values, between new cells and those of the training


@dataclass(frozen=True)
class QueryCells:
    """New cells of one modality, as the networks see them.

    Parameters
    ----------
    scores : (n, d)
        Preprocessed values.
    covariates : (n, C)
        One-hot batches, a row of zeros where the batch is unknown; None where the model tells no batches apart.
    absent : (n,)
        True for cells that were not measured in this modality, whose scores mean nothing; None where all were.
    """

    scores: NDArray[np.float32]
    covariates: NDArray[np.float32] | None = None
    absent: NDArray[np.bool_] | None = None


class Query:
    """New cells of one modality for a trained model, preprocessed a block of rows at a time.

    Cells that are NaN in all features, or 0 where no training cell was, were not measured: what is made of them is NaN.

    Parameters
    ----------
    model
        Trained.
    modality
        Of the model.
    adata
        With the layer or obsm that the model was trained on, in memory or in a file, and features of the same names,
        in any order.
    context
        For its memory limit.
    max_missing
        Largest fraction of the model's features that may be absent; those are filled with training means.
    obs
        Annotations of the cells, the batch among them; those of `adata` by default.

    Raises
    ------
    DataError
        Where the modality, its cells, the layer or too many features are absent; where rows are read, if values are
        not finite.
    """

    def __init__(
        self,
        model: TrainedModel,
        modality: str,
        adata: AnnData,
        context: Context,
        max_missing: float = MAX_MISSING,
        obs: pd.DataFrame | None = None,
    ) -> None:
        known, settings = model.require(modality), model.spec.modality(modality)
        self.model, self.modality, self.context = model, modality, context
        self.where = f"modality '{modality}'"
        self.obs = adata.obs if obs is None else obs
        require_unique_cells(self.obs.index, self.where)
        if not len(self.obs):
            raise DataError("expected cells, found none", where=self.where, fix="leave this modality out")
        self._matrix = choose_matrix(adata, settings.layer, settings.obsm, self.where)
        self._alignment = find_features(
            self._matrix.features,
            known.features,
            known.fill,
            self.where,
            max_missing,
            known.chain.shares,
            self._matrix.var,
        )
        self._covariates = model.covariates(modality, self.obs)
        self.absent = np.zeros(len(self.obs), bool)  # as far as the cells have been read
        self._scale_is_judged = False

    @classmethod
    def of(
        cls, model: TrainedModel, modality: str, mdata: MuData, context: Context, max_missing: float = MAX_MISSING
    ) -> Query:
        """Return the cells of one modality of a MuData, with the annotations that only the MuData's own obs has."""
        return cls(model, modality, mdata.mod[modality], context, max_missing, cell_annotations(mdata, modality))

    def read(self, rows: slice | None = None) -> QueryCells:
        """Read and preprocess some cells, or all."""
        obs = self.obs if rows is None else self.obs.iloc[rows]
        scores = self.model.scores(self.modality, self.block(rows), obs, self.context)
        told, absent = self._covariates, self.absent[rows or slice(None)]
        told = told if told is None or rows is None else told[rows]
        return QueryCells(scores, told, absent if absent.any() else None)

    def block(self, rows: slice | None = None) -> Block:
        """Read some cells, or all, with the features of the model in its order."""
        obs = self.obs if rows is None else self.obs.iloc[rows]
        known = self.model.require(self.modality)
        if rows is not None:
            self._matrix = self._matrix.by_rows()
        block = self._measured(self._alignment.apply(self._matrix.read(rows), self.context), rows)
        allowed = nan_allowed(known.chain.steps) or known.chain.panels is not None
        require_finite(block, obs.index, self.where, allowed, fix=_NO_NAN)
        if not self._scale_is_judged:  # by the first cells that are read, so that nobody waits for it
            if not _other_than_counts(block, ~self._alignment.missing, known.counts, self.where):
                _warn_of_scale(block, ~self._alignment.missing, known.fill, self.where)
            self._scale_is_judged = True
        return block

    def _measured(self, block: Block, rows: slice | None) -> Block:
        """Note the cells that were not measured, and put means in their place; NaN for what panels lack."""
        known, mode = self.model.require(self.modality), self.model.spec.modality(self.modality).absent
        if mode == "keep":
            return block
        zero = zero_cells(block.X)[0] & (known.zeros_absent or mode == "mask")
        absent = missing_cells(block.X) | zero
        if absent.any():
            self._tell_of_absent(absent)
            self.absent[rows or slice(None)] = absent
            block = replace(block, X=with_rows(block.X, absent, known.fill))
        return block if known.chain.panels is None else replace(block, X=lacking(block.X, known.chain.panels))

    def _tell_of_absent(self, absent: NDArray[np.bool_]) -> None:
        if not self.absent.any():
            log.warning(
                "%s: %d of %d cells are 0 or missing (NaN) in all features, so they were not measured there: what is "
                "made of them is NaN",
                *(self.where, int(absent.sum()), len(absent)),
            )

    def embed(self) -> NDArray[np.float32]:
        """Latent means (n, L) of all cells; NaN for those that were not measured."""
        cells = self.read()
        latents = self.model.encode(self.modality, cells.scores, cells.covariates)
        if cells.absent is not None:
            latents[cells.absent] = np.nan
        return latents


def _other_than_counts(block: Block, given: NDArray[np.bool_], counts: bool, where: str) -> bool:
    """Say so where raw counts are given to a model of other values, or others to a model of counts."""
    X = block.X if given.all() else block.X[:, given]
    found = largest_count(X)
    if found > LARGEST_LEVEL and not counts:
        log.warning(
            "%s: %s looks like raw counts (whole numbers up to %d), and the training cells' values did not; give those "
            "that the model was trained on, such as logarithms",
            *(where, block.origin, found),
        )
    elif counts and not found and stored_values(X).any():
        log.warning(
            "%s: the model was trained on counts, and %s holds values that are negative or not whole; give the layer "
            "of counts",
            *(where, block.origin),
        )
    else:
        return False
    return True


def _warn_of_scale(block: Block, given: NDArray[np.bool_], fill: NDArray[np.floating], where: str) -> None:
    """Say so where the cells' mean values, of the features that were given, are far from those of the training."""
    low, high = (bound[given] for bound in column_range(block.X))
    if not given.any() or np.mean((low == high) | np.isnan(low)) > 0.5:
        return  # no value, or those of a cell or two: their means say little
    if np.nanmin(low) < 0 and fill[given].min() < 0:
        return  # centred values have means near 0 on any scale
    here, there = (float(np.abs(means[given]).mean()) for means in (column_means(block.X), fill))
    if max(here, there) > _LARGEST_RATIO * min(here, there):
        log.warning(
            "%s: the features' mean is %.3g in these cells and was %.3g in the training cells; give %s on the scale "
            "that the model was trained on",
            *(where, here, there, block.origin),
        )


def known_modalities(model: TrainedModel, present: Collection[str], where: str) -> list[str]:
    """Return the modalities of the model that are present, in its order.

    Raises
    ------
    DataError
        Where none is.
    """
    found = [m for m in model.modalities if m in present]
    if not found:
        raise DataError(
            f"expected at least one of the modalities {', '.join(model.modalities)}, "
            f"found {', '.join(present) or 'none'}",
            where=where,
            fix="name the modalities as in training",
        )
    return found


def pairs_by_name(known: Ref[Pairing], cells: Mapping[str, pd.Index]) -> Correspondences:
    """Pair cells that have one name, be it none of them, by the rules for names that a spec gives, if it gives any."""
    pairing = known.build()
    return (pairing if isinstance(pairing, ByName) else ByName()).named_alike(cells)
