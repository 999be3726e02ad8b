"""A metric."""

import numpy as np

import jamie


class Example(jamie.Metric):
    """Mean absolute error of each imputed feature."""

    name = "example"
    reads = jamie.ImputedPair
    higher_is_better = False
    bounds = (0.0, float("inf"))

    def _score(self, subject):
        return np.abs(subject.measured - subject.imputed).mean(axis=0)
