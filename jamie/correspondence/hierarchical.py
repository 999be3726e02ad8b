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
from jamie.core.errors import DataError
from jamie.core.interfaces import CorrespondenceInferer
from jamie.correspondence.couplings.coupling import row_entropy
from jamie.correspondence.couplings.gaussian_kernel import all_alike, nearest_alike, squared_distances
from jamie.correspondence.graphs.metacells import Metacells, between_metacells, metacells, number_of_metacells
from jamie.correspondence.graphs.neighbors import nearest
from jamie.correspondence.shared_space.projection import MOST_DIMENSIONS, shared_space

log = logging.getLogger(__name__)

ALL_PAIRS = 2**24  # up to so many, every two cells are compared and have an entry
TAKING_OVER = 10  # known pairs by which the weight of matched metacells, as anchors, is halved
SAMPLE = 512
LEAST_WIDTH = 1e-3  # where a direction has length 1
STEPS = 1000  # of the progress: the metacells' matching takes the first half

Groups = tuple[Metacells, Metacells]
Places = tuple[NDArray[np.float32], NDArray[np.float32]]


class Hierarchical(CorrespondenceInferer):
    """Matches metacells by another inferer, and then the cells of matched metacells: for a million cells and more.

    The cells of each modality are grouped into metacells, whose means the inner inferer matches as if they were cells.
    Known pairs become fractions: of the pairs of two metacells, how many join these two. The matched metacells, and
    the known pairs, are then anchors of a space that both modalities share (canonical correlation analysis). A
    cell's candidates are the cells of the metacells that its own matches best, ranked by their distance to it in
    that space. Entries are the lesser of the candidate's share of the cell and the cell's share of the candidate, so
    that a cell whose neighbourhood is taken by others keeps little; a cell has no more mass than its metacell.

    Up to 2**24 pairs of cells every two have an entry. Time and memory grow in proportion to the number of cells but
    for the inner inferer, which sees `n_metacells` at most.

    Parameters
    ----------
    inner : CorrespondenceInferer
        What matches the metacells; `unioncom` with its defaults unless given.
    n_metacells : int
        Most metacells in each modality. There is no more than one for 20 cells, or four times the square root of the
        number of cells where these are few.
    n_matched : int
        Metacells of the other modality in which a cell's candidates are looked for.
    n_candidates : int
        Cells of these that each cell is compared with, the nearest groups of them first.
    n_partners : int
        Candidates that each cell keeps; with those that keep it, it has up to twice as many.
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
        self.needs = inner.needs  # type: ignore[misc]  # those of the inferer inside
        self.min_cells = max(inner.min_cells, 3)  # type: ignore[misc]

    def _infer(self, a: View, b: View, known: Correspondence, context: Context) -> Inferred:
        groups = (
            self._grouped(a, context.for_stage(f"{context.stage}/a")),
            self._grouped(b, context.for_stage(f"{context.stage}/b")),
        )
        inside = self._matched(groups, known, context)
        coupling = inside.correspondence.matrix
        log.info("%s: %d and %d metacells matched by %s", context.stage, *coupling.shape, self.inner.name)
        if not coupling.nnz:
            return self._nothing(a, b, inside)
        places, centres = self._shared(a, b, groups, coupling, known)
        near = squared_distances(*centres)
        width = _width(places, coupling, near)
        if a.n_cells * b.n_cells <= ALL_PAIRS:
            alike = all_alike(*places, width)
        else:
            alike = self._nearest(places, groups, coupling, near, width, context)
        context.progress("correspondence", STEPS, STEPS, {})
        matrix = _shared_out(alike, _masses(groups[0], coupling), _masses(groups[1], coupling.T.tocsr()))
        return self._inferred(matrix, groups, inside)

    def _grouped(self, view: View, context: Context) -> Metacells:
        wanted = max(number_of_metacells(view.n_cells, self.n_metacells), self.inner.min_cells)
        found = metacells(view, wanted, context.generator())
        if found.n < self.inner.min_cells:
            raise DataError(
                f"expected cells that differ, found {view.n_cells} cells at {found.n} places",
                where=f"correspondence '{self.name}', modality '{view.modality}'",
                fix="check the layer and the preprocessing of this modality",
            )
        return found

    def _matched(self, groups: Groups, known: Correspondence, context: Context) -> Inferred:
        """Match the metacells."""

        def report(stage: str, done: int, total: int, values: Mapping[str, float]) -> None:
            context.progress(stage, STEPS // 2 * done // max(total, 1), STEPS, values)

        within = replace(context, stage=f"{context.stage}/metacells", progress=report)
        a, b = groups
        return self.inner.infer(a.view, b.view, between_metacells(known, a, b), within)

    def _shared(
        self, a: View, b: View, groups: Groups, coupling: sparse.csr_array, known: Correspondence
    ) -> tuple[Places, Places]:
        """Places of cells, and of metacells, in the space that matched metacells and known pairs span."""
        rows, columns = known.pairs()
        x = np.concatenate([groups[0].view.scores, a.scores[rows]])
        y = np.concatenate([groups[1].view.scores, b.scores[columns]])
        # a known pair is sure, a match of metacells a guess: the more pairs, the less guesses count
        guesses = coupling * (TAKING_OVER / (TAKING_OVER + len(rows)))
        weights = sparse.block_diag([guesses, sparse.diags_array(known.matrix.data)], format="csr")
        sides = shared_space(x, y, sparse.csr_array(weights))
        places = sides[0].coordinates(a.scores), sides[1].coordinates(b.scores)
        means = (
            np.stack([np.bincount(one.of, axis, one.n) for axis in place.T], axis=1) / np.bincount(one.of)[:, None]
            for one, place in zip(groups, places, strict=True)
        )
        return places, (next(means).astype(np.float32), next(means).astype(np.float32))

    def _nearest(
        self,
        places: Places,
        groups: Groups,
        coupling: sparse.csr_array,
        near: NDArray[np.float32],
        width: float,
        context: Context,
    ) -> sparse.csr_array:
        """Likeness of each cell and its nearest candidates, those of a and those of b."""
        (x, y), (of_x, of_y) = places, (one.of for one in groups)
        settings = {"k": self.n_partners, "n_candidates": self.n_candidates}

        def report(begin: float) -> Any:
            return lambda part: context.progress("correspondence", int(STEPS * (begin + part / 4)), STEPS, {})

        forward = nearest_alike(x, y, (of_x, of_y), self._best(coupling, near), width, **settings, report=report(0.5))
        backward = nearest_alike(
            y, x, (of_y, of_x), self._best(coupling.T.tocsr(), near.T), width, **settings, report=report(0.75)
        )
        return forward.maximum(backward.T.tocsr())

    def _best(self, coupling: sparse.csr_array, near: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Whether a metacell is among the best matches of another, by the coupling and by the shared space alike."""
        shares = coupling.toarray()
        shares /= np.maximum(shares.max(axis=1, keepdims=True), np.finfo(np.float32).tiny)
        order = np.argsort(near - shares, axis=1, kind="stable")[:, : self.n_matched]
        best = np.zeros(shares.shape, bool)
        np.put_along_axis(best, order, True, axis=1)
        return best

    def _inferred(self, matrix: sparse.csr_array, groups: Groups, inside: Inferred) -> Inferred:
        """Cells are as sure of their partners as few partners, mass and the matching of their metacells allow."""
        sides = (
            (matrix, inside.confidence_a, groups[0].of),
            (sparse.csr_array(matrix.T), inside.confidence_b, groups[1].of),
        )
        sure = [
            (1 - row_entropy(side)) * np.minimum(np.asarray(side.sum(axis=1)).ravel(), 1) * np.sqrt(inner[of])
            for side, inner, of in sides
        ]
        return Inferred(Correspondence(matrix), sure[0], sure[1], self._diagnostics(inside))

    def _nothing(self, a: View, b: View, inside: Inferred) -> Inferred:
        shape = (a.n_cells, b.n_cells)
        return Inferred(Correspondence.empty(shape), np.zeros(shape[0]), np.zeros(shape[1]), self._diagnostics(inside))

    def _diagnostics(self, inside: Inferred) -> dict[str, float | int | bool | str]:
        n_a, n_b = inside.correspondence.shape
        return {**inside.diagnostics, "inner": self.inner.name, "metacells_a": n_a, "metacells_b": n_b}

    def _memory(self, a: View, b: View) -> int:
        n_a, n_b = (number_of_metacells(view.n_cells, self.n_metacells) for view in (a, b))
        inner = self.inner._memory(a.subset(np.arange(n_a)), b.subset(np.arange(n_b)))
        cells = a.n_cells + b.n_cells
        entries = (
            min(a.n_cells * b.n_cells, ALL_PAIRS) if a.n_cells * b.n_cells <= ALL_PAIRS else self.n_partners * cells
        )
        return max(inner, 48 * entries + 4 * cells * (2 * MOST_DIMENSIONS + 4))


def _width(places: Places, coupling: sparse.csr_array, near: NDArray[np.float32]) -> float:
    """Distance in the shared space over which likeness falls off.

    Half the typical distance to the nearest cell, which gave true partners most mass in simulations, but not less than
    a sixth of how far apart matched metacells lie: where these are at odds, no cell can be sure of its partner.
    """
    x, y = places
    nearest_distance = float(np.median(nearest(x[:SAMPLE], y, 1)[1]))  # cells come in random order
    apart = float(np.sqrt(coupling.multiply(near).sum() / coupling.sum()))
    return max(nearest_distance / 2, apart / 6, LEAST_WIDTH)


def _masses(group: Metacells, coupling: sparse.csr_array) -> NDArray[np.float32]:
    """(n,) mass of each cell's metacell."""
    return np.minimum(np.asarray(coupling.sum(axis=1)).ravel(), 1).astype(np.float32)[group.of]


def _shared_out(alike: sparse.csr_array, mass_a: NDArray[np.float32], mass_b: NDArray[np.float32]) -> sparse.csr_array:
    """Share each cell's mass among its candidates by their likeness; the lesser of both cells' shares counts."""
    tiny = np.finfo(np.float32).tiny
    per_a = mass_a / np.maximum(np.asarray(alike.sum(axis=1)).ravel(), tiny)
    per_b = mass_b / np.maximum(np.asarray(alike.sum(axis=0)).ravel(), tiny)
    scale = np.repeat(per_a, np.diff(alike.indptr))
    np.minimum(scale, per_b[alike.indices], out=scale)
    return sparse.csr_array((alike.data * scale, alike.indices, alike.indptr), shape=alike.shape)
