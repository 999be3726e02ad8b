"""Inferers of the correspondence that is not known."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from jamie.core.component import Component
from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Inferred
from jamie.core.data import View
from jamie.core.errors import ContractError, DataError

ROUNDING = 1e-6


class CorrespondenceInferer(Component):
    """Infers which cell of a is which cell of b.

    The cells of each modality are shuffled before `_infer` sees them and put back afterwards, so that no
    implementation can profit from the order of a file. An inferer that does not use known pairs says so by
    `uses_known`; it is then not shown any, and may be judged by them.
    """

    kind: ClassVar[str] = "correspondence"
    min_cells: ClassVar[int] = 3
    uses_known: bool = True

    def infer(self, a: View, b: View, known: Correspondence | None = None, context: Context | None = None) -> Inferred:
        """Infer the correspondence of two modalities.

        Parameters
        ----------
        a, b
            Modalities of n_a and n_b cells; neither needs to be the larger.
        known : (n_a, n_b)
            Pairs that are known already; none by default.
        context
            Randomness, device, progress and memory limit.

        Raises
        ------
        DataError
            Where a modality has too few cells.
        MemoryLimitError
            Where the work would not fit in memory.
        """
        context = context or Context(stage=f"correspondence {a.modality}--{b.modality}")
        if known is None or not self.uses_known:
            known = Correspondence.empty((a.n_cells, b.n_cells))
        for view in (a, b):
            if view.n_cells < self.min_cells:
                raise DataError(
                    f"expected at least {self.min_cells} cells, found {view.n_cells}",
                    where=f"correspondence '{self.name}', modality '{view.modality}'",
                )
        generator = context.at(f"{context.stage}/shuffle").generator()
        order_a, order_b = generator.permutation(a.n_cells), generator.permutation(b.n_cells)
        found = self._infer(a.subset(order_a), b.subset(order_b), known.subset(order_a, order_b), context)
        confidence_a, confidence_b = self._confidences(found, a, b)
        back_a, back_b = np.argsort(order_a), np.argsort(order_b)
        return Inferred(
            found.correspondence.subset(back_a, back_b),
            confidence_a[back_a],
            confidence_b[back_b],
            found.diagnostics,
        )

    @abstractmethod
    def _infer(self, a: View, b: View, known: Correspondence, context: Context) -> Inferred: ...

    def _confidences(self, found: Inferred, a: View, b: View) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """Check what the author's method gave, and return its confidences as arrays."""
        where, fix = (
            f"correspondence '{self.name}'",
            "return jamie.Inferred(correspondence, confidence_a, confidence_b)",
        )
        if not isinstance(found, Inferred):
            problem = f"expected _infer to return an Inferred, found {type(found).__name__}"
            raise ContractError(problem, where=where, fix=fix)
        expected = (a.n_cells, b.n_cells)
        confidences = np.asarray(found.confidence_a), np.asarray(found.confidence_b)
        shapes = (found.correspondence.shape, *(values.shape for values in confidences))
        if shapes != (expected, expected[:1], expected[1:]):
            problem = f"expected a correspondence of shape {expected} with a confidence for each cell, found {shapes}"
            raise ContractError(problem, where=where, fix="give a row for each cell of a and a column for each of b")
        return self._fractions("a", confidences[0]), self._fractions("b", confidences[1])

    def _fractions(self, side: str, values: NDArray[Any]) -> NDArray[np.floating]:
        """Confidences from 0 to 1, without what rounding left above."""
        numbers = values.dtype.kind in "fiub"
        wrong = ~((values >= 0) & (values <= 1 + ROUNDING)) if numbers else np.ones(len(values), bool)
        if wrong.any():
            raise ContractError(
                f"expected confidence_{side} from 0 to 1, found {int(wrong.sum())} outside, such as {values[wrong][0]}",
                where=f"correspondence '{self.name}'",
                fix="divide by the largest confidence that there can be, and give 0 to a cell without a partner",
            )
        return np.minimum(values, 1.0)
