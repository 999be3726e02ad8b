"""Which pairs are hidden and which cells are held out: by seed and cell names, never by the order of a file."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.context import Context
from jamie.core.correspondence import Correspondences
from jamie.core.data import Dataset, Split
from jamie.core.errors import DataError
from jamie.data.checks.modalities import MIN_CELLS
from jamie.data.splits.individuals import Individuals, annotation, individuals
from jamie.data.splits.split_file import read_held_out, read_order
from jamie.spec.evaluate_section import HoldoutSection, KnownPairsSection

log = logging.getLogger(__name__)

ROUNDING = 1e-9  # added before rounding down, so that 0.1 * 30 is 3


def hide_pairs(
    given: Correspondences, cells: Mapping[str, pd.Index], settings: KnownPairsSection, context: Context
) -> Correspondences:
    """Keep the pairs of a fraction of the cells that were measured more than once.

    Parameters
    ----------
    given
        All that the user knows. Its mutual best pairs are one cell each; a cell that is hidden loses all its
        confidences, so that the pairs of ``given.mutual_best()`` are known or hidden as a whole.
    cells
        Names of each modality's cells.
    settings
        Of these cells, how many keep their pairs; int(fraction * n) do, drawn at random or by the order in a file. A
        cell measured in three modalities keeps or loses all its pairs.
    context
        Its seed decides which.

    Raises
    ------
    DataError
        Where the file does not fit the cells.
    """
    if settings.fraction == 1:
        return given
    who = individuals(given.mutual_best(), cells)
    if settings.file is None:
        order = context.for_stage("hide_pairs").generator().permutation(who.multimodal)
    else:
        order = read_order(settings.file, settings.column, cells, who, "evaluate.known_pairs")
        order = order[np.isin(order, who.multimodal)]
    n_kept = int(settings.fraction * len(order) + ROUNDING)
    # without any pair to keep, the confidences of cells that are nobody's best partner go as well
    hidden = np.full(len(who.modalities), n_kept == 0)
    hidden[order[n_kept:]] = True
    report = log.warning if settings.fraction and len(order) and not n_kept else log.info
    report("%d of %d cells measured more than once keep their pairs", n_kept, len(order))
    kept = {}
    for (a, b), correspondence in given.items():
        rows, columns = correspondence.pairs()
        kept[a, b] = correspondence.keep(~(hidden[who.of[a][rows]] | hidden[who.of[b][columns]]))
    return Correspondences(given.sizes, kept)


def split_cells(dataset: Dataset, settings: HoldoutSection, context: Context) -> Split:
    """Hold out cells, a matched cell in all its modalities together.

    Parameters
    ----------
    dataset
        Its `truth` says which cells are matched, its first label and the modalities measured make the strata.
    settings
        A random fraction of each stratum; whole groups; one of several folds; or what a file says.
    context
        Its seed decides which.

    Raises
    ------
    DataError
        Where the file or the groups do not fit the cells, or too few cells would be left in a modality.
    """
    who = individuals(dataset.truth, {name: m.cells for name, m in dataset.modalities.items()})
    held_out = _held_out(dataset, who, settings, context.for_stage("split_cells"))
    split = Split({name: ~held_out[index] for name, index in who.of.items()})
    if settings.split is None and settings.fraction and not split.any_held_out:
        log.warning(
            "evaluate.holdout: %g of %d cells is less than one, so none is held out", settings.fraction, len(held_out)
        )
    require_training_cells(split, "evaluate.holdout", "hold out fewer cells")
    return split


def require_training_cells(split: Split, key: str, fix: str) -> None:
    """Refuse a split that leaves too few cells of a modality to train on.

    Raises
    ------
    DataError
        Where it does; `key` of the spec is to blame.
    """
    for name, train in split.train.items():
        if train.sum() < MIN_CELLS:
            raise DataError(
                f"expected at least {MIN_CELLS} cells to train on, found {int(train.sum())} of {len(train)}",
                where=f"{key}, modality '{name}'",
                fix=fix,
            )


def _held_out(dataset: Dataset, who: Individuals, settings: HoldoutSection, context: Context) -> NDArray[np.bool_]:
    """(individuals,) true for those held out."""
    if settings.split is not None:
        return settings.split.build().hold_out(_table(dataset, who), context)
    if settings.file is not None:
        cells = {name: m.cells for name, m in dataset.modalities.items()}
        return read_held_out(settings.file, settings.column, settings.fraction, cells, who)
    order = context.generator().permutation(len(who.modalities))
    if settings.group is not None:
        return _groups(dataset, who, settings, order)
    strata = _strata(dataset, who)
    order = order[np.argsort(strata[order], kind="stable")]
    held_out = np.zeros(len(order), dtype=bool)
    if settings.folds is not None:
        if settings.folds > len(order):
            raise DataError(
                f"expected at most as many folds as there are cells, {len(order)}, found {settings.folds}",
                where="evaluate.holdout.folds",
                fix="choose fewer, such as 5",
            )
        held_out[order] = np.arange(len(order)) % settings.folds == settings.fold
    else:  # along the strata, every (1 / fraction)-th is taken: each stratum gives its share to within one cell
        held_out[order] = np.diff(np.floor(np.arange(len(order) + 1) * settings.fraction + ROUNDING)) > 0
    return held_out


def _table(dataset: Dataset, who: Individuals) -> pd.DataFrame:
    """(individuals,) rows with all annotations, as text, by the first of their names."""
    names = np.empty(len(who.modalities), dtype=object)
    for name, modality in reversed(list(dataset.modalities.items())):
        names[who.of[name]] = modality.cells
    columns = dict.fromkeys(str(column) for modality in dataset.modalities.values() for column in modality.obs)
    values = {column: annotation(dataset.modalities, who, column).to_numpy() for column in columns}
    return pd.DataFrame(values, index=pd.Index(names))


def _groups(
    dataset: Dataset, who: Individuals, settings: HoldoutSection, order: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """(individuals,) true for those in the groups held out, which are drawn in the order of their first cells."""
    where, column = "evaluate.holdout.group", settings.group or ""
    group = annotation(dataset.modalities, who, column)
    if group.isna().any():
        columns = sorted({str(c) for m in dataset.modalities.values() for c in m.obs})
        raise DataError(
            f"expected a group of every cell in obs['{column}'], found none for {int(group.isna().sum())} of "
            f"{len(group)} cells",
            where=where,
            fix=f"choose a column that every cell has; there are {', '.join(columns) or 'none'}",
        )
    names = group.iloc[order].drop_duplicates()
    if len(names) < max(2, settings.folds or 0):
        raise DataError(
            f"expected at least {max(2, settings.folds or 0)} groups in obs['{column}'], found {len(names)}",
            where=where,
            fix="choose another column, or fewer folds",
        )
    sizes = group.value_counts()
    if settings.folds is None:
        chosen = _first_groups(names, sizes, settings.fraction * len(group))
    else:
        chosen = _fold_of_groups(names, sizes, settings.folds, settings.fold or 0)
    log.info("held out: %s of %s", ", ".join(map(str, chosen)), column)
    return group.isin(chosen).to_numpy()


def _first_groups(names: pd.Series, sizes: pd.Series, wanted: float) -> list[str]:
    """Return groups, one at least unless nothing is wanted and never all, up to the number of cells wanted."""
    if wanted == 0:
        return []
    total = sizes[names].cumsum().to_numpy()
    # where the next group brings the number nearer to what is wanted, it is taken as well
    n = 1 + int(np.argmin(np.abs(total[:-1] - wanted)))
    return list(names[:n])


def _fold_of_groups(names: pd.Series, sizes: pd.Series, folds: int, fold: int) -> list[str]:
    """Return the groups of one fold; the largest are assigned first, each to the fold with the fewest cells."""
    n_cells, chosen = np.zeros(folds), []
    for name in sorted(names, key=lambda name: -sizes[name]):
        smallest = int(n_cells.argmin())
        n_cells[smallest] += sizes[name]
        chosen += [name] if smallest == fold else []
    return chosen


def _strata(dataset: Dataset, who: Individuals) -> NDArray[np.int64]:
    """(individuals,) number of the stratum: the modalities it was measured in, and its first label."""
    label = annotation(dataset.modalities, who, dataset.labels[0]) if dataset.labels else ""
    keys = pd.DataFrame(who.modalities).assign(label=label).astype({"label": str})
    return np.asarray(keys.groupby(list(keys.columns)).ngroup(), dtype=np.int64)
