"""Decision trees as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from jamie.regression.spectrum import Floats

if TYPE_CHECKING:
    from sklearn.ensemble import ExtraTreesRegressor

Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Trees:
    """Trees whose mean is predicted, the nodes of one after those of the other.

    A cell goes to the left of a node if its value of the node's feature, in single precision, is not above the
    threshold, as in scikit-learn.

    Parameters
    ----------
    starts : (trees + 1,)
        First node of each tree, and the number of all nodes.
    left, right
        (nodes,) next node, counted from the first of the tree; -1 for a leaf.
    feature, threshold
        (nodes,) of each node.
    values : (nodes, r)
        Mean of the targets.
    """

    starts: Indices
    left: Indices
    right: Indices
    feature: Indices
    threshold: Floats
    values: Floats

    @classmethod
    def of(cls, forest: ExtraTreesRegressor) -> Self:
        """Take the nodes of a fitted forest."""
        trees: list[Any] = [one.tree_ for one in forest.estimators_]

        def nodes(name: str) -> NDArray[Any]:
            return np.concatenate([getattr(tree, name) for tree in trees])

        return cls(
            starts=np.cumsum([0, *(tree.node_count for tree in trees)]),
            left=nodes("children_left"),
            right=nodes("children_right"),
            feature=nodes("feature"),
            threshold=nodes("threshold"),
            values=nodes("value")[:, :, 0],
        )

    def predict(self, x: Floats) -> Floats:
        """(n, r) targets of inputs (n, d)."""
        inputs, total = x.astype(np.float32), np.zeros((len(x), self.values.shape[1]))
        for start, end in pairwise(self.starts):
            left, right, feature, threshold = (
                of_all[start:end] for of_all in (self.left, self.right, self.feature, self.threshold)
            )
            node, going = np.zeros(len(x), np.int64), np.arange(len(x))
            while len(going := going[left[node[going]] >= 0]):
                at = node[going]
                goes_left = inputs[going, feature[at]] <= threshold[at]
                node[going] = np.where(goes_left, left[at], right[at])
            total += self.values[start + node]
        return total / (len(self.starts) - 1)
