"""The way back from preprocessed values to the units of the data, to the features that are wanted alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.data import Matrix
from jamie.core.errors import DataError
from jamie.core.interfaces import Preprocessor
from jamie.preprocess.selection import PlaceColumns, SelectColumns, place_columns

if TYPE_CHECKING:
    from torch import nn


class Inverse:
    """Inverts fitted preprocessors in a row, to all features or at the cost of some.

    Narrow copies of the steps (`Preprocessor.restrict_inverse`) are used from the first step to the first that has
    none, or that reads all its scores, as principal components do; those after it are inverted as a whole.

    Parameters
    ----------
    steps
        Fitted, in the order in which they were applied.
    kept : (k,)
        The features that reached the first step.
    constants : (p,)
        Values of those that did not.
    features : (c,)
        Which of the p features to give, in this order; all by default.
    """

    def __init__(
        self,
        steps: Sequence[Preprocessor],
        kept: NDArray[np.int64],
        constants: NDArray[np.float32],
        features: NDArray[np.int64] | None = None,
    ) -> None:
        self.constants = constants if features is None else constants[features]
        self.varying = kept
        self.reads: NDArray[np.int64] | None = None
        self.whole: tuple[Preprocessor, ...] = tuple(steps)
        self.narrow: tuple[Preprocessor, ...] = ()
        if features is not None:
            position = pd.Index(kept).get_indexer(pd.Index(features))
            self.varying = np.flatnonzero(position >= 0)
            self._narrow(position[self.varying])

    def _narrow(self, columns: NDArray[np.int64]) -> None:
        """Narrow as many steps as can be, and find which columns of what the others give are read."""
        self.reads = columns
        while self.whole and self.reads is not None:
            narrowed = self.whole[0].restrict_inverse(self.reads)
            if narrowed is None:
                return
            step, self.reads = narrowed
            self.narrow, self.whole = (*self.narrow, step), self.whole[1:]

    def __call__(self, Z: Matrix, cells: pd.DataFrame | None = None) -> Matrix:
        """Bring (n, q) back to (n, c) in the units of the data; `cells` where they are known."""
        for step in reversed(self.whole):
            Z = step.inverse_transform(Z, cells)
        if self.reads is not None:
            Z = Z[:, self.reads]
        for step in reversed(self.narrow):
            Z = step.inverse_transform(Z, cells)
        return Z if len(self.varying) == len(self.constants) else place_columns(Z, self.varying, self.constants)

    def as_module(self) -> nn.Module:
        """Return the same as a differentiable module over dense tensors (n, q) -> (n, c).

        Raises
        ------
        DataError
            Where a step has none.
        """
        from torch import nn

        steps = [_inverse_module(step) for step in reversed(self.whole)]
        if self.reads is not None:
            steps.append(SelectColumns(self.reads))
        steps += [_inverse_module(step) for step in reversed(self.narrow)]
        if len(self.varying) < len(self.constants):
            steps.append(PlaceColumns(self.varying, self.constants))
        return nn.Sequential(*steps)


def _inverse_module(step: Preprocessor) -> nn.Module:
    module = step.inverse_as_module()
    if module is None:
        fix = "choose an explanation without gradients (algorithm: permutation), or write its inverse_as_module"
        problem = "expected an inverse that can be differentiated, found none"
        raise DataError(problem, where=f"preprocessor '{step.name}'", fix=fix)
    return module
