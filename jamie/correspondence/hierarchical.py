"""Matching of metacells, refined to cells."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import sparse

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Inferred
from jamie.core.data import View
from jamie.core.interfaces import CorrespondenceInferer
from jamie.correspondence.couplings.coupling import ALL_PAIRS, Marginals, no_matches
from jamie.correspondence.couplings.gaussian_kernel import gaussian_kernel, kernel_of_candidates, squared_distances
from jamie.correspondence.graphs.landmarks import require_distinct_cells
from jamie.correspondence.graphs.metacells import Metacells, metacells, number_of_metacells, pairs_of_metacells
from jamie.correspondence.graphs.neighbors import nearest
from jamie.correspondence.shared_space.projection import MAX_DIMENSIONS, fit_projections

log = logging.getLogger(__name__)

HALVING_PAIRS = 10  # known pairs at which the weight of matched metacells, as anchors, is halved
SAMPLE = 512
LEAST_WIDTH = 1e-3  # in a space in which a direction has length 1
STEPS = 1000  # of the progress: matching the metacells takes the first half

Groups = tuple[Metacells, Metacells]
Coordinates = tuple[NDArray[np.float32], NDArray[np.float32]]


class Hierarchical(CorrespondenceInferer):
    """Matches metacells by another inferer, and then the cells of matched metacells: for a million cells and more.

    The cells of each modality are grouped into metacells, whose means the inner inferer matches as if they were cells.
    Known pairs become fractions of the pairs between two metacells. The matched metacells and the known pairs are then
    anchors of a space that both modalities share (canonical correlation analysis). A cell's candidates are the cells
    of the metacells that its own matches best, ranked by their distance to it in that space. The mass of a cell, at
    most that of its metacell, is distributed over its candidates by a Gaussian kernel; an entry is the smaller of the
    values from either side, so that a cell keeps little if nearer cells take its candidates.

    Up to 2**24 pairs of cells all have an entry. Time and memory grow in proportion to the number of cells, except for
    the inner inferer, which matches `n_metacells` at most.

    Parameters
    ----------
    inner : CorrespondenceInferer
        Matches the metacells; `unioncom` with its defaults unless given.
    n_metacells : int
        Largest number of metacells in each modality. There is at most one for 20 cells, or four times the square root
        of the number of cells if there are few.
    n_matched : int
        Metacells of the other modality in which the candidates of a cell are searched.
    n_candidates : int
        Cells of these with which each cell is compared, the nearest groups of them first.
    n_partners : int
        Candidates that each cell keeps; with the cells that keep it, it has up to twice as many.
    """

    name = "hierarchical"
    references = ("10.1186/s13059-019-1812-2", "10.1016/0304-4076(76)90010-5")

    def __init__(
        self,
        *,
        inner: CorrespondenceInferer | None = None,
        n_metacells: Annotated[int, Field(ge=3)] = 1000,
        n_matched: Annotated[int, Field(ge=1)] = 8,
        n_candidates: Annotated[int, Field(ge=1)] = 1024,
        n_partners: Annotated[int, Field(ge=1)] = 35,
    ) -> None:
        if inner is None:
            from jamie.correspondence.unioncom import UnionCom

            inner = UnionCom()
        self.inner = inner
        self.n_metacells = n_metacells
        self.n_matched = n_matched
        self.n_candidates = n_candidates
        self.n_partners = n_partners
        self.uses_known = inner.uses_known
        self.needs = inner.needs  # type: ignore[misc]  # those of the inner inferer
        self.min_cells = max(inner.min_cells, 3)  # type: ignore[misc]

    def _infer(self, a: View, b: View, known: Correspondence, context: Context) -> Inferred:
        groups = (
            self._group(a, context.for_stage(f"{context.stage}/a")),
            self._group(b, context.for_stage(f"{context.stage}/b")),
        )
        inner = self._match_metacells(groups, known, context)
        coupling = inner.correspondence.matrix
        n_a, n_b = coupling.shape
        log.info("%s: %d and %d metacells matched by %s", context.stage, n_a, n_b, self.inner.name)
        diagnostics = {**inner.diagnostics, "inner": self.inner.name, "metacells_a": n_a, "metacells_b": n_b}
        if not coupling.nnz:
            return no_matches((a.n_cells, b.n_cells), diagnostics)
        cells, centers = self._shared_space(a, b, groups, coupling, known)
        squared = squared_distances(*centers)
        width = _kernel_width(cells, coupling, squared)
        if a.n_cells * b.n_cells <= ALL_PAIRS:
            kernel = sparse.csr_array(gaussian_kernel(squared_distances(*cells), width))
        else:
            kernel = self._kernel_of_candidates(cells, groups, coupling, squared, width, context)
        context.progress("correspondence", STEPS, STEPS, {})
        matrix = _distribute(kernel, _masses(groups[0], coupling), _masses(groups[1], coupling.T.tocsr()))
        # cells are no more certain than the match of their metacells
        sides = (matrix, inner.confidence_a, groups[0]), (sparse.csr_array(matrix.T), inner.confidence_b, groups[1])
        confidence_a, confidence_b = (
            Marginals.of_rows(side).confidence * np.sqrt(confidence[group.labels]) for side, confidence, group in sides
        )
        return Inferred(Correspondence(matrix), confidence_a, confidence_b, diagnostics)

    def _group(self, view: View, context: Context) -> Metacells:
        number = max(number_of_metacells(view.n_cells, self.n_metacells), self.inner.min_cells)
        group = metacells(view, number, context.generator())
        require_distinct_cells(group.n >= self.inner.min_cells, view, f"with {group.n} different scores")
        return group

    def _match_metacells(self, groups: Groups, known: Correspondence, context: Context) -> Inferred:
        def report(stage: str, done: int, total: int, values: Mapping[str, float]) -> None:
            context.progress(stage, STEPS // 2 * done // max(total, 1), STEPS, values)

        a, b = groups
        inner_context = replace(context, stage=f"{context.stage}/metacells", progress=report)
        return self.inner.infer(a.view, b.view, pairs_of_metacells(known, a, b), inner_context)

    def _shared_space(
        self, a: View, b: View, groups: Groups, coupling: sparse.csr_array, known: Correspondence
    ) -> tuple[Coordinates, Coordinates]:
        """Coordinates of cells, and of metacells, in the space that matched metacells and known pairs span."""
        rows, columns = known.pairs()
        x = np.concatenate([groups[0].view.scores, a.scores[rows]])
        y = np.concatenate([groups[1].view.scores, b.scores[columns]])
        # known pairs are certain, matches of metacells are guesses: the more pairs, the less these count
        guesses = coupling * (HALVING_PAIRS / (HALVING_PAIRS + len(rows)))
        weights = sparse.block_diag([guesses, sparse.diags_array(known.matrix.data)], format="csr")
        to_a, to_b = fit_projections(x, y, sparse.csr_array(weights))
        cells = to_a.coordinates(a.scores), to_b.coordinates(b.scores)
        center_a, center_b = (
            np.stack([np.bincount(g.labels, column, g.n) for column in z.T], axis=1) / np.bincount(g.labels)[:, None]
            for g, z in zip(groups, cells, strict=True)
        )
        return cells, (center_a.astype(np.float32), center_b.astype(np.float32))

    def _kernel_of_candidates(
        self,
        cells: Coordinates,
        groups: Groups,
        coupling: sparse.csr_array,
        squared: NDArray[np.float32],
        width: float,
        context: Context,
    ) -> sparse.csr_array:
        """Kernel of each cell and its nearest candidates, from either side."""
        (x, y), (labels_x, labels_y) = cells, (group.labels for group in groups)
        settings = {"k": self.n_partners, "n_candidates": self.n_candidates}

        def report(begin: float) -> Any:
            return lambda fraction: context.progress("correspondence", int(STEPS * (begin + fraction / 4)), STEPS, {})

        best = self._best_metacells(coupling, squared)
        forward = kernel_of_candidates(x, y, (labels_x, labels_y), best, width, **settings, report=report(0.5))
        best = self._best_metacells(coupling.T.tocsr(), squared.T)
        backward = kernel_of_candidates(y, x, (labels_y, labels_x), best, width, **settings, report=report(0.75))
        return forward.maximum(backward.T.tocsr())

    def _best_metacells(self, coupling: sparse.csr_array, squared: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Whether a metacell is among the best matches of another, by the coupling and by the distance together."""
        shares = coupling.toarray()
        shares /= np.maximum(shares.max(axis=1, keepdims=True), np.finfo(np.float32).tiny)
        order = np.argsort(squared - shares, axis=1, kind="stable")[:, : self.n_matched]
        best = np.zeros(shares.shape, bool)
        np.put_along_axis(best, order, True, axis=1)
        return best

    def _memory(self, a: View, b: View) -> int:
        n_a, n_b = (number_of_metacells(view.n_cells, self.n_metacells) for view in (a, b))
        inner = self.inner._memory(a.subset(np.arange(n_a)), b.subset(np.arange(n_b)))
        cells, pairs = a.n_cells + b.n_cells, a.n_cells * b.n_cells
        entries = pairs if pairs <= ALL_PAIRS else self.n_partners * cells
        return max(inner, 48 * entries + 4 * cells * (2 * MAX_DIMENSIONS + 4))


def _kernel_width(cells: Coordinates, coupling: sparse.csr_array, squared: NDArray[np.float32]) -> float:
    """Width of the Gaussian kernel.

    Half the typical distance to the nearest cell, which gave true partners most mass in simulations, but at least a
    sixth of the typical distance between matched metacells: if these do not agree, no cell can be certain.
    """
    x, y = cells
    nearest_distance = float(np.median(nearest(x[:SAMPLE], y, 1)[1]))  # cells are in random order
    matched_distance = float(np.sqrt(coupling.multiply(squared).sum() / coupling.sum()))
    return max(nearest_distance / 2, matched_distance / 6, LEAST_WIDTH)


def _masses(group: Metacells, coupling: sparse.csr_array) -> NDArray[np.float32]:
    """(n,) mass of the metacell of each cell."""
    return np.minimum(np.asarray(coupling.sum(axis=1)).ravel(), 1).astype(np.float32)[group.labels]


def _distribute(kernel: sparse.csr_array, mass_a: NDArray[np.float32], mass_b: NDArray[np.float32]) -> sparse.csr_array:
    """Distribute the mass of each cell over its candidates by the kernel; the smaller of both cells' values counts."""
    tiny = np.finfo(np.float32).tiny
    per_a, per_b = (
        mass / np.maximum(np.asarray(kernel.sum(axis=axis)).ravel(), tiny) for mass, axis in ((mass_a, 1), (mass_b, 0))
    )
    scale = np.repeat(per_a, np.diff(kernel.indptr))
    np.minimum(scale, per_b[kernel.indices], out=scale)
    return sparse.csr_array((kernel.data * scale, kernel.indices, kernel.indptr), shape=kernel.shape)
