"""Matching on linked features, refined with all features."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt
from scipy import sparse

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Inferred
from jamie.core.data import View
from jamie.core.errors import DataError
from jamie.core.interfaces import CorrespondenceInferer
from jamie.correspondence.couplings.assignment import assigned_pairs
from jamie.correspondence.couplings.coupling import row_entropy
from jamie.correspondence.couplings.soft_matches import memory_of_matches, soft_matches
from jamie.correspondence.graphs.neighbors import directions, neighbor_graph
from jamie.correspondence.shared_space.linked_features import MOST_LINKS, linked_values
from jamie.correspondence.shared_space.projection import shared_space

Floats = NDArray[np.floating]
Places = tuple[Floats, Floats]
Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]


class MutualNearest(CorrespondenceInferer):
    """Matches cells on linked features, such as a gene and its protein, and then on all features; needs no known pair.

    In the spirit of MaxFuse. (1) The linked features of each cell are averaged with those of its neighbours in a graph
    of all features of its own modality: single values are noisy, and the neighbours are known without the other
    modality. (2) Cells are assigned to each other by the cosine of these, in batches, and pairs that are not near to
    each other both ways are left out. (3) Canonical correlation analysis of all features on these pairs, and on those
    that are known, gives a space in which the cells are assigned anew, and so on for some rounds. The linked features
    keep a weight in the distance, so that wrong pairs cannot confirm themselves.

    Entries are the lesser of two cells' shares of each other by their likeness in the last space; up to 2**24 pairs of
    cells every two have one, beyond that the nearest 50. Time grows nearly in proportion to the number of cells.

    Parameters
    ----------
    n_neighbors : int
        Neighbours with which the linked features of a cell are averaged; all other cells where there are no more.
    smoothing : float
        Weight of the neighbours' average beside the cell's own values.
    n_rounds : int
        Rounds of refinement with all features; 0 matches on the linked features alone.
    link_weight : float
        Weight of the linked features in the squared distance, where that of all features has 1.
    """

    name = "mutual_nearest"
    references = ("10.1038/s41587-023-01935-0",)
    needs: ClassVar[frozenset[str]] = frozenset({"links"})

    def __init__(
        self,
        *,
        n_neighbors: Annotated[int, Field(ge=1)] = 15,
        smoothing: Annotated[float, Field(ge=0, le=1)] = 0.7,
        n_rounds: NonNegativeInt = 4,
        link_weight: Annotated[float, Field(gt=0)] = 0.5,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.smoothing = smoothing
        self.n_rounds = n_rounds
        self.link_weight = link_weight

    def _infer(self, a: View, b: View, known: Correspondence, context: Context) -> Inferred:
        linked = self._linked(a, b)
        places: Places = (_directions(linked[0]), _directions(linked[1]))
        context.progress("correspondence", 1, self.n_rounds + 2, {})
        generator, certain = context.generator(), known.one_to_one().pairs()
        pairs = _pairs(places, certain, generator)
        for number in range(self.n_rounds):
            places = self._refined(a, b, pairs, linked)
            pairs = _pairs(places, certain, generator)
            context.progress("correspondence", number + 2, self.n_rounds + 2, {"pairs": len(pairs[0])})
        matrix = soft_matches(*places, seed=context.seed)
        context.progress("correspondence", self.n_rounds + 2, self.n_rounds + 2, {})
        sure = [(1 - row_entropy(side)) * side.sum(axis=1) for side in (matrix, sparse.csr_array(matrix.T))]
        said = {"assigned_pairs": len(pairs[0]), "linked_features": linked[0].shape[1]}
        return Inferred(Correspondence(matrix), np.minimum(sure[0], 1), np.minimum(sure[1], 1), said)

    def _memory(self, a: View, b: View) -> int:
        cells, n_links = a.n_cells + b.n_cells, min(a.links[b.modality].nnz, MOST_LINKS)
        per_cell = 24 * n_links + 16 * (a.scores.shape[1] + b.scores.shape[1]) + 24 * self.n_neighbors
        return memory_of_matches(a.n_cells, b.n_cells) + cells * per_cell

    def _linked(self, a: View, b: View) -> Places:
        """Values (n, l) of the linked features, smoothed over the neighbours."""
        values = linked_values(a, b)
        if values[0].shape[1] == 0:
            raise DataError(
                "expected linked features that differ between cells, found that each pair has a constant one",
                where=f"correspondence '{self.name}', {a.modality}--{b.modality}",
                fix="check the layers, or link other features (correspondence.links)",
            )
        return self._smoothed(a, values[0]), self._smoothed(b, values[1])

    def _smoothed(self, view: View, values: Floats) -> Floats:
        graph = neighbor_graph(view.scores, self.n_neighbors)
        graph.data = np.full(len(graph.data), 1 / (graph.indptr[1] - graph.indptr[0]), np.float32)
        smooth = (1 - self.smoothing) * values + self.smoothing * (graph @ values)
        # averaging takes more of the variance of noisy features; what remains of them counts as much as before
        spread = np.maximum(smooth.std(axis=0), np.finfo(np.float32).tiny)
        return np.asarray((smooth - smooth.mean(axis=0)) * (values.std(axis=0) / spread))

    def _refined(self, a: View, b: View, pairs: Pairs, linked: Places) -> Places:
        """Coordinates in the space that these pairs span, with the linked features beside.

        Both are relative to the pairs' means: those of all cells differ between modalities of other proportions.
        """
        rows, columns = pairs
        sides = shared_space(a.scores[rows], b.scores[columns], sparse.csr_array(sparse.eye_array(len(rows))))
        weight = np.float32(np.sqrt(self.link_weight))
        first, second = (
            np.hstack([side.coordinates(view.scores), weight * _directions(values, values[paired])])
            for side, view, values, paired in zip(sides, (a, b), linked, pairs, strict=True)
        )
        return first, second


def _directions(values: Floats, among: Floats | None = None) -> NDArray[np.float32]:
    """Directions (n, l) of cells from the mean of all, or of some whose spread then counts as that of all."""
    if among is not None:
        spread = among.std(axis=0)
        values = (values - among.mean(axis=0)) * (values.std(axis=0) / np.where(spread > 0, spread, np.inf))
    return directions(values, "cosine").astype(np.float32)


def _pairs(places: Places, certain: Pairs, generator: np.random.Generator) -> Pairs:
    """Assign cells to each other, but those with a known partner to that."""
    rows, columns = assigned_pairs(*places, generator)
    kept = ~(np.isin(rows, certain[0]) | np.isin(columns, certain[1]))
    return np.concatenate([rows[kept], certain[0]]), np.concatenate([columns[kept], certain[1]])
