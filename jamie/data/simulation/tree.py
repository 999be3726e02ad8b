"""A tree of cell types, cells that differentiate along it, and random walks along its branches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

FREQUENCY_RATIO = 0.85  # of each type to the one before it: equally frequent types could be exchanged
PSEUDOTIME_SHAPE = 3.0  # pseudotime is Beta(PSEUDOTIME_SHAPE, 1): most cells are near their type, few progenitors

Generator = np.random.Generator
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TypeTree:
    """A binary tree whose leaves are cell types, all at pseudotime 1; the root is at 0.

    Attributes
    ----------
    branches
        One row for each branch: the nodes `parent` and `child`, the pseudotime `start` at the parent, and `length`.
    paths
        (n_types, n_branches) whether a branch leads to a type.
    """

    branches: pd.DataFrame
    paths: NDArray[np.bool_]

    @classmethod
    def balanced(cls, n_types: int) -> TypeTree:
        """Build the tree by halving the types until each is alone; inner branches have equal lengths."""
        step = 1 / max(1, int(np.ceil(np.log2(n_types))))
        rows: list[tuple[str, str, float, float]] = []
        members: list[range] = []

        def grow(parent: str, types: range, start: float) -> None:
            alone = len(types) == 1
            child = f"type_{types[0]}" if alone else f"types_{types[0]}_to_{types[-1]}"
            length = 1 - start if alone else step
            rows.append((parent, child, start, length))
            members.append(types)
            for half in () if alone else _halves(types):
                grow(child, half, start + length)

        for half in _halves(range(n_types)) if n_types > 1 else [range(1)]:
            grow("root", half, 0.0)
        branches = pd.DataFrame(rows, columns=["parent", "child", "start", "length"])
        return cls(branches, np.array([[t in types for types in members] for t in range(n_types)]))

    @property
    def types(self) -> list[str]:
        """Names of the leaves."""
        return [f"type_{t}" for t in range(len(self.paths))]

    def cells(self, n_cells: int, generator: Generator) -> pd.DataFrame:
        """Draw cells: the type that each becomes, its pseudotime from 0 to 1, and the branch that it is on."""
        frequencies = FREQUENCY_RATIO ** np.arange(len(self.paths))
        types = generator.choice(len(self.paths), size=n_cells, p=frequencies / frequencies.sum())
        pseudotime = generator.beta(PSEUDOTIME_SHAPE, 1, n_cells)
        reached = self.paths[types] & (self.branches["start"].to_numpy() <= pseudotime[:, None])
        last = np.array([np.flatnonzero(row)[-1] for row in reached])
        return pd.DataFrame(
            {
                "cell_type": pd.Categorical.from_codes(types, pd.Index(self.types)),
                "pseudotime": pseudotime,
                "branch": pd.Categorical(self.branches["child"].to_numpy()[last], list(self.branches["child"])),
            }
        )

    def random_walks(self, cells: pd.DataFrame, n_values: int, generator: Generator) -> Floats:
        """(n_cells, n_values) independent random walks along the branches: 0 at the root, of variance 1 at leaves."""
        start, length = self.branches["start"].to_numpy(), self.branches["length"].to_numpy()
        passed = np.clip((cells["pseudotime"].to_numpy()[:, None] - start) / length, 0, 1)
        steps = generator.normal(size=(len(length), n_values)) * np.sqrt(length)[:, None]
        return np.asarray((self.paths[cells["cell_type"].cat.codes] * passed) @ steps)


def _halves(types: range) -> tuple[range, range]:
    middle = (len(types) + 1) // 2
    return types[:middle], types[middle:]
