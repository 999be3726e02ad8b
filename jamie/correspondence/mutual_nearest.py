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
from jamie.correspondence.arrays import Floats, Pairs
from jamie.correspondence.couplings.coupling import Marginals
from jamie.correspondence.couplings.gaussian_kernel import soft_matches, soft_matches_memory
from jamie.correspondence.couplings.pairs import assigned_pairs
from jamie.correspondence.graphs.neighbors import directions, neighbor_graph
from jamie.correspondence.shared_space.linked_features import MOST_LINKS, linked_values
from jamie.correspondence.shared_space.projection import fit_projections

Coordinates = tuple[Floats, Floats]


class MutualNearest(CorrespondenceInferer):
    """Matches cells on linked features, such as a gene and its protein, and then on all features; needs no known pair.

    In the spirit of MaxFuse. (1) The linked features of each cell are averaged with those of its neighbors in a graph
    of all features of its own modality: single values are noisy, and the neighbors are known without the other
    modality. (2) Cells are assigned to each other by the cosine of these, in batches, and pairs that are not near to
    each other both ways are left out. (3) Canonical correlation analysis of all features on these pairs, and on the
    known ones, gives a space in which the cells are assigned again, for some rounds. The linked features keep a weight
    in the distance, so that wrong pairs cannot confirm themselves.

    Confidences are soft matches by a Gaussian kernel in the last space, normalized for both cells. Up to 2**24 pairs
    of cells all have one, above that the nearest 50. Time grows nearly in proportion to the number of cells.

    Parameters
    ----------
    n_neighbors : int
        Neighbors with which the linked features of a cell are averaged; all other cells if there are fewer.
    smoothing : float
        Weight of the neighbors' average against the cell's own values.
    n_rounds : int
        Rounds of refinement with all features; 0 matches on the linked features alone.
    link_weight : float
        Weight of the linked features in the squared distance, relative to all features.
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
        total = self.n_rounds + 2
        linked = self._linked(a, b)
        coordinates: Coordinates = (_directions(linked[0]), _directions(linked[1]))
        context.progress("correspondence", 1, total, {})
        generator, certain = context.generator(), known.one_to_one().pairs()
        pairs = _assign(coordinates, certain, generator)
        for number in range(self.n_rounds):
            coordinates = self._refine(a, b, pairs, linked)
            pairs = _assign(coordinates, certain, generator)
            context.progress("correspondence", number + 2, total, {"pairs": len(pairs[0])})
        matrix = soft_matches(*coordinates, seed=context.seed)
        context.progress("correspondence", total, total, {})
        x, y = (Marginals.of_rows(side).confidence for side in (matrix, sparse.csr_array(matrix.T)))
        diagnostics = {"assigned_pairs": len(pairs[0]), "linked_features": linked[0].shape[1]}
        return Inferred(Correspondence(matrix), x, y, diagnostics)

    def _memory(self, a: View, b: View) -> int:
        cells, n_links = a.n_cells + b.n_cells, min(a.links[b.modality].nnz, MOST_LINKS)
        per_cell = 24 * n_links + 16 * (a.scores.shape[1] + b.scores.shape[1]) + 24 * self.n_neighbors
        return soft_matches_memory(a.n_cells, b.n_cells) + cells * per_cell

    def _linked(self, a: View, b: View) -> Coordinates:
        """Values (n, l) of the linked features, smoothed over the neighbors."""
        values = linked_values(a, b)
        if values[0].shape[1] == 0:
            raise DataError(
                "expected linked features that differ between cells, found that each pair has a constant one",
                where=f"correspondence '{self.name}', {a.modality}--{b.modality}",
                fix="check the layers, or link other features (correspondence.links)",
            )
        return self._smooth(a, values[0]), self._smooth(b, values[1])

    def _smooth(self, view: View, values: Floats) -> Floats:
        graph = neighbor_graph(view.scores, self.n_neighbors)
        graph.data = np.full(len(graph.data), 1 / (graph.indptr[1] - graph.indptr[0]), np.float32)
        smooth = (1 - self.smoothing) * values + self.smoothing * (graph @ values)
        # averaging removes more variance from noisy features; what remains is scaled to count as before
        spread = np.maximum(smooth.std(axis=0), np.finfo(np.float32).tiny)
        return np.asarray((smooth - smooth.mean(axis=0)) * (values.std(axis=0) / spread))

    def _refine(self, a: View, b: View, pairs: Pairs, linked: Coordinates) -> Coordinates:
        """Coordinates in the space that these pairs span, next to the linked features.

        Both are relative to the pairs' means: those of all cells differ if modalities have other proportions.
        """
        rows, columns = pairs
        identity = sparse.csr_array(sparse.eye_array(len(rows)))
        projections = fit_projections(a.scores[rows], b.scores[columns], identity)
        weight = np.float32(np.sqrt(self.link_weight))
        x, y = (
            np.hstack([projection.coordinates(view.scores), weight * _directions(values, values[paired])])
            for projection, view, values, paired in zip(projections, (a, b), linked, pairs, strict=True)
        )
        return x, y


def _directions(values: Floats, reference: Floats | None = None) -> NDArray[np.float32]:
    """Directions (n, l) of cells from the mean of all, or of reference cells to whose spread values are scaled."""
    if reference is not None:
        spread = reference.std(axis=0)
        values = (values - reference.mean(axis=0)) * (values.std(axis=0) / np.where(spread > 0, spread, np.inf))
    return directions(values, "cosine").astype(np.float32)


def _assign(coordinates: Coordinates, certain: Pairs, generator: np.random.Generator) -> Pairs:
    """Assign cells to each other, and cells with a known partner to that."""
    rows, columns = assigned_pairs(*coordinates, generator)
    kept = ~(np.isin(rows, certain[0]) | np.isin(columns, certain[1]))
    return np.concatenate([rows[kept], certain[0]]), np.concatenate([columns[kept], certain[1]])
