"""Numbers of cells that are paired with a cell of another modality, as a table to print and to store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jamie.core.correspondence import Correspondences


@dataclass(frozen=True)
class PairRow:
    """Matched and unmatched cells of two modalities.

    Parameters
    ----------
    a, b
        Their names.
    shared_a, shared_b
        Cells of each that have a partner in the other.
    unmatched_a, unmatched_b
        Cells of each that have none.
    known_a
        Cells of a whose partner is known to the model.
    """

    a: str
    b: str
    shared_a: int
    shared_b: int
    unmatched_a: int
    unmatched_b: int
    known_a: int


@dataclass(frozen=True)
class PairingTable:
    """Cells per modality, shared and unmatched.

    Parameters
    ----------
    cells
        Cells of each modality.
    alone
        Cells of each modality that have no partner in any other.
    in_all
        Cells of the first modality that have a partner in every other.
    pairs
        One row for every two modalities.
    """

    cells: Mapping[str, int]
    alone: Mapping[str, int]
    in_all: int
    pairs: tuple[PairRow, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values, for a JSON file."""
        return {
            "cells": dict(self.cells),
            "alone": dict(self.alone),
            "in_all": self.in_all,
            "pairs": [dict(vars(row)) for row in self.pairs],
        }

    def to_text(self) -> str:
        """Aligned text, for a terminal."""
        cells = pd.DataFrame({"cells": self.cells, "alone": self.alone}).rename_axis(columns="modality")
        counts = [(row.shared_a, row.known_a, row.unmatched_a, row.unmatched_b) for row in self.pairs]
        names = [f"{row.a} + {row.b}" for row in self.pairs]
        pairs = pd.DataFrame(counts, names, ["shared", "known", "only first", "only second"])
        pairs = pairs.rename_axis(columns="modalities")
        last = f"\nin all {len(self.cells)} modalities: {self.in_all}" if len(self.cells) > 2 else ""
        return f"{cells.to_string()}\n\n{pairs.to_string()}{last}"


def pairing_table(truth: Correspondences, known: Correspondences) -> PairingTable:
    """Count the cells that `truth` pairs, and how many of these pairs are `known` to the model."""
    rows = []
    partners = {m: np.zeros(n, dtype=np.int64) for m, n in truth.sizes.items()}
    for (a, b), correspondence in truth.items():
        in_a, in_b = (has_partner(correspondence.matrix, axis) for axis in (1, 0))
        partners[a] += in_a
        partners[b] += in_b
        shared = int(in_a.sum()), int(in_b.sum())
        n_known = int(has_partner(known.between(a, b).matrix.multiply(correspondence.matrix > 0), 1).sum())
        rows.append(PairRow(a, b, *shared, len(in_a) - shared[0], len(in_b) - shared[1], n_known))
    first = truth.modalities[0]
    return PairingTable(
        cells=dict(truth.sizes),
        alone={m: int((count == 0).sum()) for m, count in partners.items()},
        in_all=int((partners[first] == len(partners) - 1).sum()),
        pairs=tuple(rows),
    )


def has_partner(matrix: Any, axis: int) -> np.ndarray:
    """Return true for each row (axis 1) or column (axis 0) of a sparse matrix that has an entry."""
    return np.asarray((matrix > 0).sum(axis=axis)).ravel() > 0
