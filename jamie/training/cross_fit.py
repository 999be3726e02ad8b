"""What a trained model imputes of its own training cells, by the parts of it that were fitted without them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jamie.core.row_reader import Rows
from jamie.model.prediction import average
from jamie.model.trained import TrainedModel
from jamie.preprocess.prepare import Prepared
from jamie.training.validation_split import ValidationSplit

Direction = tuple[str, str]


@dataclass(frozen=True)
class CrossFit:
    """A trained model with its training cells, for predictions as of cells that it has not seen (cross-fitting).

    Parameters
    ----------
    model
        Trained.
    cells
        Its training cells.
    splits
        Cells that each network was trained without.
    out_of_fold
        (n, t) what the regressions of a direction predict of each training cell, fitted without it. Their settings,
        and their weight beside the networks, were chosen on all training cells.
    """

    model: TrainedModel
    cells: Prepared
    splits: Sequence[ValidationSplit]
    out_of_fold: Mapping[Direction, Rows]

    def impute(self, direction: Direction, member: int, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Preprocessed values (k, t) of a target from (k,) cells of a source, which a network was trained without.

        Parameters
        ----------
        direction
            Source and target.
        member
            Position of the network in the ensemble.
        rows
            The cells.
        """
        inputs, network = self.cells.inputs(direction[0], rows), self.model.networks[member]
        imputed = self.model.impute_by_network(*direction, *inputs, [network])
        if direction not in self.out_of_fold:
            return imputed
        return average(self.model.stacks[direction], self.out_of_fold[direction][rows], imputed)
