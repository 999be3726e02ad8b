"""Cells of the same name are the same cell."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from itertools import combinations
from typing import Annotated

from pydantic import Field

from jamie.core.correspondence import Correspondence
from jamie.core.data import ModalityData
from jamie.core.errors import DataError
from jamie.core.interfaces.pairing import Pairing
from jamie.core.values import percent

log = logging.getLogger(__name__)


class ByName(Pairing):
    """A cell name that occurs in two modalities is one cell measured in both.

    Where no name occurs twice that is an error: names that were meant to agree must not become a guess in silence.

    Parameters
    ----------
    min_overlap
        Least fraction of the smaller modality's cells whose names are shared, where any is. Barcodes coincide by
        chance between unrelated runs, so that fewer shared names are refused rather than believed.
    """

    name = "by_name"

    def __init__(self, *, min_overlap: Annotated[float, Field(ge=0, le=1)] = 0.05) -> None:
        self.min_overlap = min_overlap

    def _pairs(self, modalities: Mapping[str, ModalityData]) -> dict[tuple[str, str], Correspondence]:
        found = {(a, b): self._match(modalities[a], modalities[b]) for a, b in combinations(modalities, 2)}
        if found and not any(c.n_pairs for c in found.values()):
            raise DataError(
                f"expected names of cells that occur in two of {', '.join(modalities)}, found none (they look like "
                f"{', '.join(repr(m.cells[0]) for m in modalities.values() if m.n_cells)})",
                where="pairing 'by_name'",
                fix="make the names of cells that were measured twice agree, or give their pairs "
                "(correspondence.known: table); where none was measured twice, say so, and partners are inferred: "
                "correspondence.known: none",
            )
        return found

    def _match(self, a: ModalityData, b: ModalityData) -> Correspondence:
        found = Correspondence.from_names(a.cells, b.cells)
        n, smaller = found.n_pairs, min(a.n_cells, b.n_cells)
        if 0 < n < self.min_overlap * smaller:
            raise DataError(
                f"expected at least {100 * self.min_overlap:.3g} % of the smaller modality's cells to share their "
                f"names, found {n} of {smaller} ({percent(n, smaller)}); the first is "
                f"'{a.cells[found.pairs()[0][0]]}'",
                where=f"pairing 'by_name', modalities '{a.name}' and '{b.name}'",
                fix="barcodes coincide by chance: add the sample to the names or use 'known: none'; "
                "if these pairs are real, lower min_overlap",
            )
        if n and a.cells.str.isdigit().all() and b.cells.str.isdigit().all():
            log.warning(
                "pairing 'by_name', modalities '%s' and '%s': cells are named by numbers, such as '%s', and equal "
                "numbers are taken for one cell; where they only count rows, name the cells or use 'known: none'",
                *(a.name, b.name, a.cells[0]),
            )
        return found
