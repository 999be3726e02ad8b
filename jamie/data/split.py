"""Which pairs are hidden and which cells are held out: by seed and cell names, never by the order of a file."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from jamie.core.context import Context
from jamie.core.correspondence import Correspondences
from jamie.core.data import Dataset, Split
from jamie.core.errors import DataError
from jamie.data.checks import MIN_CELLS

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Individuals:
    """Cells as they were in the tissue: a cell measured in several modalities is one.

    Parameters
    ----------
    of
        For each modality (n,) number of the individual that the cell is; numbers follow the names.
    modalities
        (individuals, modalities) true where it was measured.
    """

    of: Mapping[str, NDArray[np.int64]]
    modalities: NDArray[np.bool_]

    @property
    def measured_twice(self) -> NDArray[np.int64]:
        """Numbers of those that were measured in two or more modalities."""
        return np.flatnonzero(self.modalities.sum(axis=1) > 1)


def individuals(truth: Correspondences, cells: Mapping[str, pd.Index]) -> Individuals:
    """Join the cells that `truth`, which holds mutual best pairs only, pairs; numbered by the first of their names."""
    names = list(truth.sizes)
    offsets = dict(zip(names, np.cumsum([0, *truth.sizes.values()]), strict=False))
    total = sum(truth.sizes.values())
    edges = [((a, b), c.pairs()) for (a, b), c in truth.items()]
    rows = np.concatenate([offsets[a] + i for (a, b), (i, j) in edges])
    columns = np.concatenate([offsets[b] + j for (a, b), (i, j) in edges])
    graph = sparse.coo_array((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(total, total))
    n, component = connected_components(graph, directed=False)
    place = pd.DataFrame(
        {
            "component": component,
            "name": np.concatenate([np.asarray(cells[m], dtype=object) for m in names]),
            "modality": np.repeat(np.arange(len(names)), list(truth.sizes.values())),
        }
    )
    firsts = place.sort_values(["name", "modality"]).drop_duplicates("component")["component"].to_numpy()
    number = np.empty(n, dtype=np.int64)
    number[firsts] = np.arange(n)
    of = {m: number[component[offsets[m] : offsets[m] + truth.sizes[m]]] for m in names}
    measured = np.zeros((n, len(names)), dtype=bool)
    for k, m in enumerate(names):
        measured[of[m], k] = True
    return Individuals(of, measured)


def hide_pairs(
    given: Correspondences, cells: Mapping[str, pd.Index], fraction: float, context: Context
) -> Correspondences:
    """Keep the pairs of a random fraction of the cells that were measured more than once.

    Parameters
    ----------
    given
        All that the user knows. Its mutual best pairs say which cells are one; a cell that is hidden loses all its
        confidences, so that the pairs of ``given.mutual_best()`` are known or hidden as a whole.
    cells
        Names of each modality's cells.
    fraction
        Of these cells, how many keep their pairs, from 0 to 1; int(fraction * n) do. A cell measured in three
        modalities keeps or loses all its pairs.
    context
        Its seed decides which.
    """
    if not 0 <= fraction <= 1:
        raise DataError(f"expected a fraction from 0 to 1, found {fraction:g}", where="evaluate.known_pairs.fraction")
    if fraction == 1:
        return given
    who = individuals(given.mutual_best(), cells)
    order = context.at("hide_pairs").generator().permutation(who.measured_twice)
    n_kept = int(fraction * len(order) + 1e-9)  # not one less where the product is whole but for rounding
    # without any pair to keep, the confidences of cells that are nobody's best partner go as well
    hidden = np.full(len(who.modalities), n_kept == 0)
    hidden[order[n_kept:]] = True
    notice = log.warning if fraction and len(order) and not n_kept else log.info
    notice("%d of %d cells measured more than once keep their pairs", n_kept, len(order))
    kept = {}
    for (a, b), correspondence in given.items():
        rows, columns = correspondence.pairs()
        kept[a, b] = correspondence.keep(~(hidden[who.of[a][rows]] | hidden[who.of[b][columns]]))
    return Correspondences(given.sizes, kept)


def split_cells(dataset: Dataset, fraction: float, context: Context) -> Split:
    """Hold out a random fraction of the cells, a matched cell in all its modalities together.

    Parameters
    ----------
    dataset
        Its `truth` says which cells are matched, its first label and the modalities measured make the strata.
    fraction
        Of the cells, how many are held out, from 0 (none) to less than 1.
    context
        Its seed decides which.

    Raises
    ------
    DataError
        Where too few cells would be left in a modality.
    """
    if not 0 <= fraction < 1:
        raise DataError(f"expected a fraction from 0 to less than 1, found {fraction:g}", where="evaluate.holdout")
    who = individuals(dataset.truth, {name: m.cells for name, m in dataset.modalities.items()})
    order = context.at("split_cells").generator().permutation(len(who.modalities))
    strata = _strata(dataset, who)
    order = order[np.argsort(strata[order], kind="stable")]
    # Along the strata, every (1 / fraction)-th is taken: each stratum gives its share to within one cell.
    held_out = np.zeros(len(order), dtype=bool)
    held_out[order] = np.diff(np.floor(np.arange(len(order) + 1) * fraction + 1e-9)) > 0
    split = Split({name: ~held_out[index] for name, index in who.of.items()})
    if fraction and not split.any_held_out:
        log.warning("evaluate.holdout: %g of %d cells is less than one, so none is held out", fraction, len(order))
    for name, train in split.train.items():
        if train.sum() < MIN_CELLS:
            raise DataError(
                f"expected at least {MIN_CELLS} cells to train on, found {int(train.sum())} of {len(train)}",
                where=f"evaluate.holdout, modality '{name}'",
                fix="hold out a smaller fraction",
            )
    return split


def _strata(dataset: Dataset, who: Individuals) -> NDArray[np.int64]:
    """(individuals,) number of the stratum: the modalities it was measured in, and its first label."""
    label = pd.Series(pd.NA, index=range(len(who.modalities)), dtype=object)
    for name, modality in dataset.modalities.items():
        if dataset.labels and dataset.labels[0] in modality.obs:
            own = pd.Series(modality.obs[dataset.labels[0]].to_numpy(dtype=object), index=who.of[name])
            label = label.fillna(own.dropna().astype(str).groupby(level=0).first())
    keys = pd.DataFrame(who.modalities).assign(label=label.astype(str))
    return np.asarray(keys.groupby(list(keys.columns)).ngroup(), dtype=np.int64)
