"""Inference of the correspondence that is not known, and the distances that it starts from."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jamie.core.component import Component
from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Inferred
from jamie.core.data import View
from jamie.core.requirements import DATA_WORDS

ROUNDING = 1e-6


class Distance(Component):
    """Distances between cells, to all cells or to a subset of them (landmarks).

    Examples
    --------
    >>> from scipy.spatial.distance import cdist
    >>> class CityBlock(Distance):
    ...     '''City-block distance of the scores.'''
    ...
    ...     name = "city_block"
    ...
    ...     def _pairwise(self, view, to):
    ...         return cdist(view.scores, view.scores[to], "cityblock")
    """

    kind: ClassVar[str] = "distance"
    readable: ClassVar[frozenset[str]] = DATA_WORDS

    def pairwise(self, view: View, to: ArrayLike | None = None) -> NDArray[np.float64]:
        """Compute the distance of every cell to other cells of its modality.

        Parameters
        ----------
        view
            The modality.
        to
            Indices of the other cells; all by default.

        Returns
        -------
        (n, n) or (n, len(to)) array
            Finite and not negative.

        Raises
        ------
        ContractError
            Where the implementation returns anything else.
        """
        columns = np.arange(view.n_cells) if to is None else np.asarray(to)
        distances = self._pairwise(view.read_by(self), columns)
        if distances.shape != (view.n_cells, len(columns)) or not np.isfinite(distances).all() or distances.min() < 0:
            problem = f"expected {view.n_cells} x {len(columns)} finite distances >= 0, found shape {distances.shape}"
            raise self._contract_error(problem)
        return distances

    @abstractmethod
    def _pairwise(self, view: View, to: NDArray[np.int64]) -> NDArray[np.float64]: ...


class CorrespondenceInferer(Component):
    """Infers which cell of a is which cell of b.

    The cells of each modality are shuffled before `_infer` sees them and put back afterwards, so that no
    implementation can profit from the order of a file. With known pairs it sees scores without whitening, which found
    hidden partners better or as well; without pairs whitening helps on some data. An inferer that sets `uses_known` to
    False is given no known pairs, and may be evaluated by them. One that uses them need not return them: one-to-one
    pairs (`Correspondence.one_to_one`) replace what was inferred for their cells.

    An inferer that cannot do without known pairs or linked features names them in `needs`: ``"known"``, ``"links"``.
    What it reads beside scores, matrices and links, such as spatial coordinates, it names in `requires`, and finds in
    `View.elements`.

    Examples
    --------
    >>> class ByRank(CorrespondenceInferer):
    ...     '''Matches the cells by the rank of their first score.'''
    ...
    ...     name = "by_rank"
    ...
    ...     def _infer(self, a, b, known, context):
    ...         n = min(a.n_cells, b.n_cells)
    ...         rows, columns = a.scores[:, 0].argsort()[:n], b.scores[:, 0].argsort()[:n]
    ...         pairs = Correspondence.from_pairs(rows, columns, (a.n_cells, b.n_cells))
    ...         return Inferred(pairs, pairs.matrix.sum(axis=1), pairs.matrix.sum(axis=0))
    """

    kind: ClassVar[str] = "correspondence"
    readable: ClassVar[frozenset[str]] = DATA_WORDS
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

        Returns
        -------
        Inferred
            The correspondence and the confidence of each cell.

        Raises
        ------
        DataError
            Where a modality has too few cells, or what the inferer needs is not there.
        MemoryLimitError
            Where the work would not fit in memory; the message names an inferer that does.
        """
        context = context or Context(stage=f"correspondence {a.modality}--{b.modality}")
        a, b = a.read_by(self), b.read_by(self)
        if known is None or not self.uses_known:
            known = Correspondence.empty((a.n_cells, b.n_cells))
        self._require(a, b, known)
        context.require_memory(
            self._memory(a, b), f"{self.name} on {a.n_cells} and {b.n_cells} cells", self._instead(known)
        )
        generator = context.for_stage(f"{context.stage}/shuffle").generator()
        order_a, order_b = generator.permutation(a.n_cells), generator.permutation(b.n_cells)
        x, y = a.subset(order_a), b.subset(order_b)
        if known.n_pairs:
            x, y = x.unwhitened(), y.unwhitened()
        found = self._infer(x, y, known.subset(order_a, order_b), context)
        confidence_a, confidence_b = self._confidences(found, a, b)
        back_a, back_b = np.argsort(order_a), np.argsort(order_b)
        correspondence = found.correspondence.permute(back_a, back_b)
        confidence_a, confidence_b = confidence_a[back_a], confidence_b[back_b]
        fixed = known.one_to_one()
        if fixed.n_pairs:
            rows, columns = fixed.pairs()
            correspondence = correspondence.updated_with(fixed)
            confidence_a[rows], confidence_b[columns] = 1, 1
        return Inferred(correspondence, confidence_a, confidence_b, found.diagnostics)

    @abstractmethod
    def _infer(self, a: View, b: View, known: Correspondence, context: Context) -> Inferred: ...

    def _memory(self, a: View, b: View) -> int:
        """Bytes that `_infer` takes at its peak, beyond its inputs; negligible by default."""
        return 0

    def _require(self, a: View, b: View, known: Correspondence) -> None:
        """Refuse what cannot be inferred from."""
        for view in (a, b):
            if view.n_cells < self.min_cells:
                problem = f"expected at least {self.min_cells} cells, found {view.n_cells}"
                raise self._data_error(problem, of=f"modality '{view.modality}'")
        if "known" in self.needs and not known.n_pairs:
            raise self._data_error(
                f"expected known pairs of {a.modality} and {b.modality}, found none",
                "give pairs (correspondence.known), or infer without any (correspondence.infer: unioncom)",
            )
        if "links" in self.needs and b.modality not in a.links:
            raise self._data_error(
                f"expected features of {a.modality} and {b.modality} that are linked, found none",
                "give a table of linked features (correspondence.links), or infer without (auto, unioncom)",
            )

    def _instead(self, known: Correspondence) -> str:
        """Say what to do where memory does not suffice."""
        grouped = f"hierarchical: {{inner: {self.name}}}, which matches groups of cells"
        if known.n_pairs and self.name != "seeded":
            return f"use seeded, which grows with the number of cells only, or {grouped}"
        return f"use {grouped}" if self.name != "hierarchical" else "use fewer cells (data), or fewer n_metacells"

    def _confidences(self, found: Inferred, a: View, b: View) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """Check what the author's method gave, and return its confidences as arrays."""
        if not isinstance(found, Inferred):
            problem = f"expected _infer to return an Inferred, found {type(found).__name__}"
            raise self._contract_error(problem, "return jamie.Inferred(correspondence, confidence_a, confidence_b)")
        expected = (a.n_cells, b.n_cells)
        confidences = np.asarray(found.confidence_a), np.asarray(found.confidence_b)
        shapes = (found.correspondence.shape, *(values.shape for values in confidences))
        if shapes != (expected, expected[:1], expected[1:]):
            problem = f"expected a correspondence of shape {expected} with a confidence for each cell, found {shapes}"
            raise self._contract_error(problem, "give a row for each cell of a and a column for each of b")
        return self._fractions("a", confidences[0]), self._fractions("b", confidences[1])

    def _fractions(self, side: str, values: NDArray[Any]) -> NDArray[np.floating]:
        """Confidences from 0 to 1, without what rounding left above."""
        numbers = values.dtype.kind in "fiub"
        wrong = ~((values >= 0) & (values <= 1 + ROUNDING)) if numbers else np.ones(len(values), bool)
        if wrong.any():
            raise self._contract_error(
                f"expected confidence_{side} from 0 to 1, found {int(wrong.sum())} outside, such as {values[wrong][0]}",
                "divide by the largest possible confidence, and give 0 to a cell without a partner",
            )
        return np.minimum(values, 1.0)
