"""Few of the training cells, to see what more of them are worth."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np

from jamie.core.context import Context
from jamie.core.data import Dataset, Split
from jamie.core.errors import DataError
from jamie.data.splits.holdout import require_training_cells
from jamie.data.splits.individuals import individuals

log = logging.getLogger(__name__)


def draw_training_cells(dataset: Dataset, split: Split, n: int, draw: str, context: Context) -> tuple[Dataset, Split]:
    """Leave out all training cells but n; those held out stay, so that scores of different n can be compared.

    Parameters
    ----------
    dataset, split
        All cells, and which of them are held out.
    n
        How many training cells are kept; a matched cell counts once, and is kept in all its modalities. Cells that are
        kept of few are kept of more.
    draw
        Text that the draw depends on, beside the seed.
    context
        Its seed decides which.

    Raises
    ------
    DataError
        Where there are fewer training cells, or too few would be left in a modality.
    """
    who = individuals(dataset.truth, {name: m.cells for name, m in dataset.modalities.items()})
    trained = np.zeros(len(who.modalities), dtype=bool)
    for name, index in who.of.items():
        trained[index[split.train[name]]] = True
    if n > trained.sum():
        raise DataError(
            f"expected at least {n} training cells, found {int(trained.sum())}",
            where="evaluate.training_cells",
            fix=f"choose at most {int(trained.sum())}",
        )
    order = context.for_stage(f"training_cells/{draw}").generator().permutation(len(trained))
    kept = ~trained
    kept[order[trained[order]][:n]] = True
    of_modality = {name: kept[index] for name, index in who.of.items()}
    split = Split({name: mask[of_modality[name]] for name, mask in split.train.items()})
    require_training_cells(split, "evaluate.training_cells", "choose more")
    log.info("%d of %d training cells are kept", n, trained.sum())
    left_out = {name: m.cells[~of_modality[name]] for name, m in dataset.modalities.items()}
    absent = {name: cells.append(dataset.absent.get(name, cells[:0])) for name, cells in left_out.items()}
    return replace(dataset.subset(of_modality), absent=absent), split
