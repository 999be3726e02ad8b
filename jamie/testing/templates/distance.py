"""A distance."""

from scipy.spatial.distance import cdist

import jamie


class Example(jamie.Distance):
    """The sum of absolute differences of scores."""

    name = "example"

    def _pairwise(self, view, to):
        return cdist(view.scores, view.scores[to], "cityblock")
