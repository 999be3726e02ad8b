"""A method."""

from itertools import permutations

import numpy as np

import jamie


class Example(jamie.Method):
    """Embeds by the first scores of each modality, and imputes by ridge regression.

    Parameters
    ----------
    penalty
        Of the regression.
    """

    name = "example"
    needs = frozenset({"pairs"})

    def __init__(self, *, penalty: float = 1.0) -> None:
        self.penalty = penalty

    def _fit(self, cells, context):
        self.maps = {m: {} for m in cells.modalities}
        for a, b in permutations(cells.modalities, 2):
            rows, columns = cells.pairs(a, b)
            x, y = cells.views[a].scores[rows], cells.targets[b][columns]
            self.maps[a][b] = np.linalg.solve(x.T @ x + self.penalty * np.eye(x.shape[1]), x.T @ y)

    def _embed(self, scores):
        return {m: x[:, :3] for m, x in scores.items()}

    def _impute(self, scores, source, target):
        return scores @ self.maps[source][target]

    def _state(self):
        return {"maps": self.maps}

    def _set_state(self, state):
        self.maps = state["maps"]
