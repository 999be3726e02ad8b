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
    `uses_known`; it is then not shown any, and may be judged by them. One that uses them need not keep to them:
    pairs that are certain (`Correspondence.one_to_one`) are put in place afterwards, and nothing else in their rows
    and columns.

    An inferer that cannot do without known pairs or linked features names them in `needs`: ``"known"``, ``"links"``.
    """

    kind: ClassVar[str] = "correspondence"
    min_cells: ClassVar[int] = 3
    needs: ClassVar[frozenset[str]] = frozenset()
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
            Where a modality has too few cells, or what the inferer needs is not there.
        MemoryLimitError
            Where the work would not fit in memory; the message names an inferer that does.
        """
        context = context or Context(stage=f"correspondence {a.modality}--{b.modality}")
        if known is None or not self.uses_known:
            known = Correspondence.empty((a.n_cells, b.n_cells))
        self._require(a, b, known)
        context.require_memory(
            self._memory(a, b), f"{self.name} on {a.n_cells} and {b.n_cells} cells", self._instead(known)
        )
        generator = context.for_stage(f"{context.stage}/shuffle").generator()
        order_a, order_b = generator.permutation(a.n_cells), generator.permutation(b.n_cells)
        found = self._infer(a.subset(order_a), b.subset(order_b), known.subset(order_a, order_b), context)
        confidence_a, confidence_b = self._confidences(found, a, b)
        back_a, back_b = np.argsort(order_a), np.argsort(order_b)
        correspondence = found.correspondence.permute(back_a, back_b)
        confidence_a, confidence_b = confidence_a[back_a], confidence_b[back_b]
        certain = known.one_to_one()
        if certain.n_pairs:
            rows, columns = certain.pairs()
            correspondence = correspondence.updated_with(certain)
            confidence_a[rows], confidence_b[columns] = 1, 1
        return Inferred(correspondence, confidence_a, confidence_b, found.diagnostics)

    @abstractmethod
    def _infer(self, a: View, b: View, known: Correspondence, context: Context) -> Inferred: ...

    def _memory(self, a: View, b: View) -> int:
        """Bytes that `_infer` takes at its peak, beyond its inputs; none worth telling by default."""
        return 0

    def _require(self, a: View, b: View, known: Correspondence) -> None:
        """Refuse what cannot be inferred from."""
        where = f"correspondence '{self.name}'"
        for view in (a, b):
            if view.n_cells < self.min_cells:
                raise DataError(
                    f"expected at least {self.min_cells} cells, found {view.n_cells}",
                    where=f"{where}, modality '{view.modality}'",
                )
        if "known" in self.needs and not known.n_pairs:
            raise DataError(
                f"expected known pairs of {a.modality} and {b.modality}, found none",
                where=where,
                fix="give pairs (correspondence.known), or infer without any (correspondence.infer: unioncom)",
            )
        if "links" in self.needs and b.modality not in a.links:
            raise DataError(
                f"expected features of {a.modality} and {b.modality} that are linked, found none",
                where=where,
                fix="give a table of linked features (correspondence.links), or infer without (auto, unioncom)",
            )

    def _instead(self, known: Correspondence) -> str:
        """Say what to do where memory does not suffice."""
        grouped = f"hierarchical: {{inner: {self.name}}}, which matches groups of cells"
        if known.n_pairs and self.name != "seeded":
            return f"use seeded, which grows with the number of cells only, or {grouped}"
        return f"use {grouped}" if self.name != "hierarchical" else "use fewer cells (data), or fewer n_metacells"

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
