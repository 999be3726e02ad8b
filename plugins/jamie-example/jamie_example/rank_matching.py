"""A correspondence inferer in some twenty lines."""

import numpy as np

import jamie


class RankMatching(jamie.CorrespondenceInferer):
    """Match cells by their rank along the first score of each modality: a toy, right only on a single trajectory.

    Known pairs, and without any the skewness, decide which end of one modality is which end of the other; the cells
    without a known partner are matched.

    Parameters
    ----------
    confidence
        Confidence of every match, above 0 and at most 1.
    """

    name = "rank_matching"

    def __init__(self, *, confidence: float = 0.5) -> None:
        self.confidence = confidence

    def _infer(
        self, a: jamie.View, b: jamie.View, known: jamie.Correspondence, context: jamie.Context
    ) -> jamie.Inferred:
        t_a, t_b = a.scores[:, 0] - a.scores[:, 0].mean(), b.scores[:, 0] - b.scores[:, 0].mean()
        rows, columns = known.pairs()
        agreement = t_a[rows] @ t_b[columns] if len(rows) else (t_a**3).sum() * (t_b**3).sum()
        free_a, free_b = np.flatnonzero(known.best_partner() < 0), np.flatnonzero(known.T.best_partner() < 0)
        order_a = free_a[np.argsort(t_a[free_a])]
        order_b = free_b[np.argsort(t_b[free_b] if agreement >= 0 else -t_b[free_b])]
        n = max(len(order_a), len(order_b)) if min(len(order_a), len(order_b)) else 0
        rows, columns = order_a[np.arange(n) * len(order_a) // n], order_b[np.arange(n) * len(order_b) // n]
        found = jamie.Correspondence.from_pairs(rows, columns, (a.n_cells, b.n_cells), np.full(n, self.confidence))
        confidence_a, confidence_b = np.full(a.n_cells, self.confidence), np.full(b.n_cells, self.confidence)
        return jamie.Inferred(found, confidence_a, confidence_b, {"converged": True})
