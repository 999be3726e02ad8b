"""New cells for a trained model: features matched by name, and the cells preprocessed as in training."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.context import Context
from jamie.core.correspondence import Correspondences
from jamie.core.data import Block
from jamie.core.errors import DataError
from jamie.core.interfaces.data import Pairing
from jamie.core.interfaces.preprocessor import nan_allowed
from jamie.core.matrix import column_means, column_range, stored_values
from jamie.core.panels import mask_unmeasured, set_rows
from jamie.data.align import find_features
from jamie.data.annotations import cell_annotations
from jamie.data.assemble import require_unique_cells
from jamie.data.blocks import choose_matrix
from jamie.data.checks.value_kinds import LARGEST_LEVEL, largest_count
from jamie.data.checks.values import require_finite
from jamie.data.pairings.by_name import ByName
from jamie.data.unmeasured.absent import missing_cells, zero_cells
from jamie.model.fitted_model import FittedModel
from jamie.spec.ref import Ref

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

log = logging.getLogger(__name__)

MAX_MISSING = 0.2
_ALL = slice(None)
_NO_NAN = (
    "the model was trained without fill_missing: remove these cells or values, or train again with fill_missing first"
)
_MAX_RATIO = 5  # of the mean values of new cells and training cells


@dataclass(frozen=True)
class QueryCells:
    """New cells of one modality, as the input of the networks.

    Parameters
    ----------
    scores : (n, d)
        Preprocessed values.
    covariates : (n, C)
        One-hot batches, a row of zeros if the batch is unknown; None if the model has no batch key.
    absent : (n,)
        True for cells that were not measured in this modality, whose scores are meaningless; None if all were measured.
    """

    scores: NDArray[np.float32]
    covariates: NDArray[np.float32] | None = None
    absent: NDArray[np.bool_] | None = None


class Query:
    """New cells of one modality for a trained model, read and preprocessed a block of rows at a time.

    Cells that are NaN in all features, or 0 in all features if no training cell was, were not measured: their latents
    and imputed values are NaN.

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
        Annotations of the cells, with the batch column; those of `adata` by default.

    Raises
    ------
    DataError
        If the modality, its cells, the layer or too many features are absent; when rows are read, if values are not
        finite.
    """

    def __init__(
        self,
        model: FittedModel,
        modality: str,
        adata: AnnData,
        context: Context,
        max_missing: float = MAX_MISSING,
        obs: pd.DataFrame | None = None,
    ) -> None:
        self._known, self._settings = model.require(modality), model.spec.modality(modality)
        self.model, self.modality, self.context = model, modality, context
        self.where = f"modality '{modality}'"
        self.obs = adata.obs if obs is None else obs
        require_unique_cells(self.obs.index, self.where)
        if not len(self.obs):
            raise DataError("expected cells, found none", where=self.where, fix="leave this modality out")
        for step in self._known.chain.steps:
            step.require_columns(self.obs.columns, of=self.where)
        self._matrix = choose_matrix(adata, self._settings.layer, self._settings.obsm, self.where)
        self._alignment = find_features(
            self._matrix.features,
            self._known.features,
            self._known.fill,
            self.where,
            max_missing,
            self._known.chain.shares,
            self._matrix.var,
        )
        self._covariates = model.covariates(modality, self.obs)
        self.absent = np.zeros(len(self.obs), bool)  # of the cells that have been read
        self._scale_is_checked = False

    @classmethod
    def from_mudata(
        cls, model: FittedModel, modality: str, mdata: MuData, context: Context, max_missing: float = MAX_MISSING
    ) -> Query:
        """Return the cells of one modality of a MuData, with the annotations that only the MuData's own obs has."""
        return cls(model, modality, mdata.mod[modality], context, max_missing, cell_annotations(mdata, modality))

    def read(self, rows: slice = _ALL) -> QueryCells:
        """Read and preprocess cells, all by default."""
        scores = self.model.scores(self.modality, self.block(rows), self.obs.iloc[rows], self.context)
        covariates, absent = self._covariates, self.absent[rows]
        return QueryCells(scores, None if covariates is None else covariates[rows], absent if absent.any() else None)

    def block(self, rows: slice = _ALL) -> Block:
        """Read cells, all by default, with the features of the model in its order."""
        known = self._known
        if rows != _ALL:
            self._matrix = self._matrix.by_rows()
        block = self._matrix.read(None if rows == _ALL else rows)
        block = self._fill_absent(self._alignment.apply(block, self.context), rows)
        allowed = nan_allowed(known.chain.steps) or known.chain.panels is not None
        require_finite(block, self.obs.index[rows], self.where, allowed, fix=_NO_NAN)
        if not self._scale_is_checked:  # by the first block, so that a warning comes early
            self._scale_is_checked = True
            if problem := _scale_problem(block, ~self._alignment.missing, known.counts, known.fill):
                log.warning("%s: %s", self.where, problem)
        return block

    def _fill_absent(self, block: Block, rows: slice) -> Block:
        """Note the cells that were not measured, and fill them with means; NaN for features that panels lack."""
        known, mode = self._known, self._settings.absent
        if mode == "keep":
            return block
        zero = zero_cells(block.X)[0] & (known.zeros_absent or mode == "mask")
        absent = missing_cells(block.X) | zero
        if absent.any():
            if not self.absent.any():
                log.warning(
                    "%s: %d of %d cells are 0 or missing (NaN) in all features, so they were not measured there: their "
                    "latents, and values imputed from there alone, are NaN",
                    *(self.where, int(absent.sum()), len(absent)),
                )
            self.absent[rows] = absent
            block = replace(block, X=set_rows(block.X, absent, known.fill))
        return block if known.chain.panels is None else replace(block, X=mask_unmeasured(block.X, known.chain.panels))

    def embed(self) -> NDArray[np.floating]:
        """Latent means (n, L) of all cells; NaN for those that were not measured."""
        self.model.require_embedding()
        cells = self.read()
        latents = self.model.encode(self.modality, cells.scores, cells.covariates, self.obs)
        if cells.absent is not None:
            latents[cells.absent] = np.nan
        return latents


def _scale_problem(block: Block, given: NDArray[np.bool_], counts: bool, fill: NDArray[np.floating]) -> str | None:
    """Describe how the scale of the values seems to differ from that of the training cells; None if it does not.

    Parameters
    ----------
    block
        New cells.
    given : (p,)
        Features of the model that they have.
    counts
        Whether the model was trained on counts.
    fill : (p,)
        Mean of each feature over the training cells.
    """
    X = block.X if given.all() else block.X[:, given]
    largest = largest_count(X)
    if largest > LARGEST_LEVEL and not counts:
        return (
            f"{block.origin} looks like raw counts (whole numbers up to {largest}), and the training cells' values did "
            "not; give values like those that the model was trained on, such as logarithms"
        )
    if counts and not largest and stored_values(X).any():
        return (
            f"the model was trained on counts, and {block.origin} holds values that are negative or not whole; give "
            "the layer of counts"
        )
    low, high = (bound[given] for bound in column_range(block.X))
    if not given.any() or np.mean((low == high) | np.isnan(low)) > 0.5:
        return None  # too few values, or too few cells, for a comparison of means
    if np.nanmin(low) < 0 and fill[given].min() < 0:
        return None  # centred values have means near 0 on any scale
    query_mean, training_mean = (float(np.abs(means[given]).mean()) for means in (column_means(block.X), fill))
    if max(query_mean, training_mean) <= _MAX_RATIO * min(query_mean, training_mean):
        return None
    return (
        f"the features' mean is {query_mean:.3g} in these cells and was {training_mean:.3g} in the training cells; "
        f"give {block.origin} on the scale that the model was trained on"
    )


def pairs_by_name(known: Ref[Pairing], cells: Mapping[str, pd.Index]) -> Correspondences:
    """Pair cells of the same name, by the rules for names of the spec if it has any; there may be no such pairs."""
    pairing = known.build() if issubclass(known.cls, ByName) else None
    return (pairing if isinstance(pairing, ByName) else ByName()).match_cells(cells)
