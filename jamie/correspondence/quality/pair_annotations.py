"""Annotations of the two cells of known pairs: whether labels are associated, and samples agree."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jamie.core.data import Dataset
from jamie.core.matrix import format_percent
from jamie.correspondence.arrays import Index

SAMPLE_COLUMNS = ("sample", "sample_id", "batch", "donor", "donor_id", "patient", "orig.ident", "individual")
MOST_GROUPS = 50
DISAGREE = 0.9  # fraction of pairs with cells of different samples
PERMUTATIONS, PERMUTED_QUANTILE = 200, 0.99
INFORMATIVE = 0.3  # Cramer's V of labels of true pairs; if random pairs may reach it, labels are not informative

_SUFFIX = re.compile(r"[-_.](\d{1,2})$")  # distinguishes samples that have barcodes in common


@dataclass(frozen=True)
class PairColumn:
    """A column of obs for the two cells of each pair.

    Parameters
    ----------
    name
        The column.
    a, b : (n,)
        Values of the cells on either side as text, None if missing.
    """

    name: str
    a: NDArray[np.object_]
    b: NDArray[np.object_]

    @property
    def values(self) -> list[str]:
        """Values on the side of a, sorted."""
        return sorted({value for value in self.a if value is not None})

    def shares_values(self) -> bool:
        """Whether some value occurs on both sides."""
        return bool(set(self.values) & {value for value in self.b if value is not None})

    def disagreement(self, chosen: NDArray[np.bool_]) -> str:
        """Message that the values of nearly all chosen pairs differ; empty if they do not."""
        a, b = self._complete(chosen)
        differ = a != b
        if not len(a) or differ.sum() < DISAGREE * len(a):
            return ""
        first = int(np.argmax(differ))
        return (
            f"the {self.name} of partners differs in {int(differ.sum())} of {len(a)}, such as '{a[first]}' "
            f"and '{b[first]}'"
        )

    def independence(self, chosen: NDArray[np.bool_], generator: np.random.Generator) -> str:
        """Message that labels are associated as in random pairs only; empty if more, or if labels are uninformative."""
        a, b = self._complete(chosen)
        (_, codes_a), (_, codes_b) = (np.unique(side.astype(str), return_inverse=True) for side in (a, b))
        if not len(a) or min(codes_a.max(), codes_b.max()) == 0:
            return ""
        observed = cramers_v(codes_a, codes_b)
        random = [cramers_v(codes_a, generator.permutation(codes_b)) for _ in range(PERMUTATIONS)]
        limit = float(np.quantile(random, PERMUTED_QUANTILE))
        if observed > limit or limit > INFORMATIVE:
            return ""
        return (
            f"the {self.name} of partners agrees in {format_percent(int((a == b).sum()), len(a))}, as in random pairs"
        )

    def _complete(self, chosen: NDArray[np.bool_]) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
        """Values of the chosen pairs in which neither is missing."""
        a, b = self.a[chosen], self.b[chosen]
        present = np.array([x is not None and y is not None for x, y in zip(a, b, strict=True)], dtype=bool)
        return a[present], b[present]


def cramers_v(a: NDArray[np.integer], b: NDArray[np.integer]) -> float:
    """Association of two labels, given as integer codes: 0 for none, 1 if each determines the other."""
    from scipy.stats.contingency import association, crosstab

    return float(association(crosstab(a, b).count, method="cramer"))


def label_columns(dataset: Dataset, a: str, b: str, pairs: Sequence[Index]) -> list[PairColumn]:
    """Label columns that both modalities have."""
    sides = [dataset.modalities[m].obs for m in (a, b)]
    return [_column(dataset, name, a, b, pairs) for name in dataset.labels if all(name in obs for obs in sides)]


def sample_column(dataset: Dataset, a: str, b: str, pairs: Sequence[Index]) -> PairColumn | None:
    """Return the samples of pairs, if there are a few: a column of obs, or numbers at the end of the cells' names.

    The batch key comes before columns that are called sample, batch, donor or similar.
    """
    sides = [dataset.modalities[m] for m in (a, b)]
    shared = [str(name) for name in sides[0].obs if name in sides[1].obs]
    named = [name for wanted in SAMPLE_COLUMNS for name in shared if name.lower() == wanted]
    key = [dataset.batch_key] if dataset.batch_key in shared and dataset.batch_key is not None else []
    for name in dict.fromkeys([*key, *named]):
        column = _column(dataset, name, a, b, pairs)
        if 1 <= len(column.values) <= MOST_GROUPS:
            return column
    names = [side.cells[index] for side, index in zip(sides, pairs, strict=True)]
    suffixes = (
        np.array([match and match.group() for match in map(_SUFFIX.search, map(str, side))], dtype=object)
        for side in names
    )
    column = PairColumn("end of the name", *suffixes)
    return column if 2 <= len(column.values) <= MOST_GROUPS else None


def _column(dataset: Dataset, name: str, a: str, b: str, pairs: Sequence[Index]) -> PairColumn:
    values = (dataset.modalities[m].labels(name)[index] for m, index in zip((a, b), pairs, strict=True))
    return PairColumn(name, *values)
