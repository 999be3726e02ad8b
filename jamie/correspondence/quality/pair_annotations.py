"""Known pairs by what obs says of their two cells: labels that go together, samples that are another's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jamie.core.data import Dataset, ModalityData
from jamie.core.matrix import format_percent

SAMPLE_COLUMNS = ("sample", "sample_id", "batch", "donor", "donor_id", "patient", "orig.ident", "individual")
MOST_GROUPS = 50
DISAGREE = 0.9  # of pairs whose two cells are of another sample each
PERMUTATIONS, PERMUTED_QUANTILE = 200, 0.99
TELLING = 0.3  # Cramer's V that labels of true pairs have at least; where random pairs may reach it, labels do not tell

_NUMBER = re.compile(r"[-_.](\d{1,2})$")  # that tells samples apart which have barcodes in common
Labels = NDArray[np.object_]


@dataclass(frozen=True)
class PairColumn:
    """What a column of obs says of the two cells of each pair.

    Parameters
    ----------
    name
        The column.
    a, b : (n,)
        Values of the cells on either side as text, None where there is none.
    """

    name: str
    a: Labels
    b: Labels

    @property
    def values(self) -> list[str]:
        """Values on the side of a, sorted."""
        return sorted({value for value in self.a if value is not None})

    def disagreement(self, chosen: NDArray[np.bool_]) -> str:
        """Say that nearly all of the chosen pairs are of two values; empty where they are not."""
        a, b = self.a[chosen], self.b[chosen]
        told = np.array([x is not None and y is not None for x, y in zip(a, b, strict=True)], dtype=bool)
        apart = told & (a != b)
        if not told.any() or apart.sum() < DISAGREE * told.sum():
            return ""
        first = int(np.argmax(apart))
        return (
            f"the {self.name} of partners differs in {int(apart.sum())} of {int(told.sum())}, such as '{a[first]}' "
            f"and '{b[first]}'"
        )

    def shares_values(self) -> bool:
        """Whether some value occurs on both sides."""
        return bool(set(self.values) & {value for value in self.b if value is not None})

    def independence(self, chosen: NDArray[np.bool_], generator: np.random.Generator) -> str:
        """Say that labels of partners go together as those of random pairs do; empty where more, or none can tell."""
        a, b = self.a[chosen], self.b[chosen]
        told = np.array([x is not None and y is not None for x, y in zip(a, b, strict=True)], dtype=bool)
        (_, one), (_, other) = (np.unique(side[told].astype(str), return_inverse=True) for side in (a, b))
        if not told.any() or min(one.max(), other.max()) == 0:
            return ""
        observed = cramers_v(one, other)
        random = [cramers_v(one, generator.permutation(other)) for _ in range(PERMUTATIONS)]
        if observed > (limit := float(np.quantile(random, PERMUTED_QUANTILE))) or limit > TELLING:
            return ""
        agree = format_percent(int((a == b)[told].sum()), int(told.sum()))
        return f"the {self.name} of partners agrees in {agree}, as in random pairs"


def cramers_v(a: NDArray[np.integer], b: NDArray[np.integer]) -> float:
    """Association of two labels, given as numbers from 0: 0 for none, 1 where each tells the other.

    References
    ----------
    Cramer, Mathematical Methods of Statistics (1946), chapter 21.
    """
    shape = (int(a.max()) + 1, int(b.max()) + 1)
    table = np.bincount(a * shape[1] + b, minlength=shape[0] * shape[1]).reshape(shape)
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / len(a)
    chi2 = ((table - expected) ** 2 / np.where(expected > 0, expected, 1)).sum()
    return float(np.sqrt(chi2 / len(a) / max(min(shape) - 1, 1)))


def label_columns(dataset: Dataset, a: str, b: str, pairs: Sequence[NDArray[np.int64]]) -> list[PairColumn]:
    """Return the label columns that both modalities have."""
    one, other = dataset.modalities[a], dataset.modalities[b]
    return [_of(name, one, other, pairs) for name in dataset.labels if name in one.obs and name in other.obs]


def sample_column(dataset: Dataset, a: str, b: str, pairs: Sequence[NDArray[np.int64]]) -> PairColumn | None:
    """Return the samples that pairs come from, where there are a few: a column of obs, or numbers that names end in.

    The batch key comes before columns that are called a sample, a batch, a donor or the like.
    """
    one, other = dataset.modalities[a], dataset.modalities[b]
    both = [str(name) for name in one.obs if name in other.obs]
    named = [name for wanted in SAMPLE_COLUMNS for name in both if name.lower() == wanted]
    key = [dataset.batch_key] if dataset.batch_key in both and dataset.batch_key is not None else []
    for name in dict.fromkeys([*key, *named]):
        column = _of(name, one, other, pairs)
        if 1 <= len(column.values) <= MOST_GROUPS:
            return column
    sides = zip((one, other), pairs, strict=True)
    ends = [np.array([_ending(cell) for cell in side.cells[index]], dtype=object) for side, index in sides]
    column = PairColumn("end of the name", *ends)
    return column if 2 <= len(column.values) <= MOST_GROUPS else None


def _of(name: str, a: ModalityData, b: ModalityData, pairs: Sequence[NDArray[np.int64]]) -> PairColumn:
    return PairColumn(name, a.labels(name)[pairs[0]], b.labels(name)[pairs[1]])


def _ending(cell: object) -> str | None:
    found = _NUMBER.search(str(cell))
    return found.group(0) if found else None
