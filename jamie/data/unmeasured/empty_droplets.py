"""Empty droplets: barcodes of an unfiltered matrix that are in no other modality and have very few counts."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jamie.core.correspondence import Correspondences
from jamie.core.data import Matrix, ModalityData
from jamie.core.errors import DataError
from jamie.core.matrix import stored_values
from jamie.core.panels import fill_nan, has_nan
from jamie.data.blocks import choose_block
from jamie.data.checks.value_kinds import largest_count

if TYPE_CHECKING:
    from mudata import MuData

    from jamie.spec import Spec

MIN_CELLS = 20  # matched, and unmatched, cells; with fewer, nothing is decided
DEPTH_PERCENTILE = 5  # of the matched cells' totals: a cell of low but usual depth
EMPTY, DOUBTFUL = 0.1, 0.5  # parts of that total

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CellTotals:
    """Totals of the cells of one modality, as a measure of sequencing depth.

    Parameters
    ----------
    X : (n, p)
        Nothing negative.
    totals : (n,)
        Total of each cell.
    matched : (n,)
        Whether it has a partner in another modality.
    usual
        Total of a matched cell of low but usual depth.
    """

    X: Matrix
    totals: NDArray[np.float64]
    matched: NDArray[np.bool_]
    usual: float

    def below(self, part: float) -> NDArray[np.bool_]:
        """(n,) true for the unmatched cells whose total is below a part of the usual one."""
        return ~self.matched & (self.totals < part * self.usual)

    @property
    def typical(self) -> tuple[float, float]:
        """Median total of the unmatched and of the matched cells."""
        return float(np.median(self.totals[~self.matched])), float(np.median(self.totals[self.matched]))

    @property
    def are_ambient(self) -> bool:
        """Whether unmatched cells of few counts together have most features of the matched cells, as ambient RNA does.

        Cells of which some features were not measured do not.
        """
        rows = np.flatnonzero(self.matched), np.flatnonzero(self.below(EMPTY))
        matched, empty = (np.asarray(self.X[index].sum(axis=0, dtype=np.float64)).ravel() for index in rows)
        main = matched > matched.mean()
        return bool(np.mean(empty[main] > 0) > 0.5) if main.any() else False


def without_empty_droplets(
    mdata: MuData, modalities: Mapping[str, ModalityData], given: Correspondences, spec: Spec
) -> tuple[dict[str, ModalityData], Correspondences]:
    """Leave out the empty droplets of each modality, as its setting `empty_droplets` says.

    Parameters
    ----------
    mdata
        As read, for a layer of counts.
    modalities
        Chosen matrices.
    given
        All pairs that the user knows.
    spec
        With the settings of each modality.

    Returns
    -------
    dict of str to ModalityData, Correspondences
        Of the other cells.

    Raises
    ------
    DataError
        Where droplets are to be dropped but no counts show which are empty.
    """
    kept = {}
    for name, data in modalities.items():
        setting = spec.modality(name).empty_droplets
        key = f"modalities.{name}.empty_droplets"
        empty = np.zeros(data.n_cells, dtype=bool)
        if setting != "keep":
            totals = _totals(mdata.mod[name], data, _matched(name, given))
            if setting == "drop":
                empty = _below_usual_depth(totals, spec.where(key))
            elif totals is not None:
                empty = _surely_empty(totals, name, key)
        kept[name] = ~empty
    if all(mask.all() for mask in kept.values()):
        return dict(modalities), given
    return {name: data.subset(kept[name]) for name, data in modalities.items()}, given.subset(kept)


def _matched(name: str, given: Correspondences) -> NDArray[np.bool_]:
    """(n,) true for the cells that have a partner in some other modality."""
    others = [given.between(name, other).matrix for other in given.modalities if other != name]
    return np.any([np.diff(matrix.indptr) > 0 for matrix in others], axis=0)


def _totals(adata: Any, data: ModalityData, matched: NDArray[np.bool_]) -> CellTotals | None:
    """Totals of raw counts, or else of other values none of which is negative; None where nothing can be judged."""
    if matched.sum() < MIN_CELLS or (~matched).sum() < MIN_CELLS:
        return None
    candidates = [data.input.X] if data.target is data.input else [data.input.X, data.target.X]
    if not any(map(largest_count, candidates)) and "counts" in adata.layers:
        candidates.append(choose_block(adata, "counts").X[adata.obs_names.astype(str).get_indexer(data.cells)])
    chosen = max(candidates, key=lambda X: largest_count(X) > 0)
    if np.nanmin(stored_values(chosen), initial=0) < 0:
        return None
    chosen = fill_nan(chosen, np.zeros(chosen.shape[1])) if has_nan(chosen) else chosen
    totals = np.asarray(chosen.sum(axis=1, dtype=np.float64)).ravel()
    positive = totals[matched & (totals > 0)]
    if len(positive) < MIN_CELLS:
        return None
    return CellTotals(chosen, totals, matched, float(np.percentile(positive, DEPTH_PERCENTILE)))


def _below_usual_depth(totals: CellTotals | None, where: str) -> NDArray[np.bool_]:
    """(n,) true for the unmatched cells below the usual depth."""
    if totals is None:
        raise DataError(
            f"expected counts of at least {MIN_CELLS} cells that are in another modality and {MIN_CELLS} that are in "
            "none, by which empty droplets can be recognised, found none",
            where=where,
            fix="give raw counts in X or in a layer 'counts', or leave empty_droplets out",
        )
    empty = totals.below(1)
    log.info("%s: %d cells are left out as empty droplets (of less than %.4g)", where, empty.sum(), totals.usual)
    return empty


def _surely_empty(totals: CellTotals, name: str, key: str) -> NDArray[np.bool_]:
    """(n,) true for empty droplets; in doubt a warning is logged and no cell is taken for one."""
    alone, shared = totals.typical
    n_alone, depths = int((~totals.matched).sum()), "hold a median total of %.4g, those in others %.4g"
    if largest_count(totals.X) and alone < EMPTY * totals.usual and totals.are_ambient:
        empty = totals.below(DOUBTFUL)
        log.warning(
            f"modality '%s': %d of %d cells are in no other modality; these {depths}: %d are regarded as empty "
            "droplets and left out (%s: keep uses them)",
            *(name, n_alone, len(totals.totals), alone, shared, empty.sum(), key),
        )
        return empty
    if alone < DOUBTFUL * totals.usual:
        log.warning(
            f"modality '%s': %d of %d cells are in no other modality; these {depths}: if they are empty droplets, set "
            "%s: drop; if they are cells, keep",
            *(name, n_alone, len(totals.totals), alone, shared, key),
        )
    return np.zeros(len(totals.totals), dtype=bool)
