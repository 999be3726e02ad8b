import numpy as np
import pytest

from jamie.regression.pairs import TrainingPairs


@pytest.fixture
def toy_pairs():
    """Make n pairs of d inputs and t targets, which follow from two of the inputs, one of them not linearly."""

    def make(n, d, t, *, targets=lambda y: y, folds=None):
        generator = np.random.default_rng(0)
        x = generator.normal(size=(n, d)) * np.linspace(2, 0.5, d) + 3
        signal = np.stack([x[:, 0], np.sin(x[:, 1])], axis=1)
        y = signal @ generator.normal(size=(2, t)) * np.linspace(2, 0.1, t) + 0.5 * generator.normal(size=(n, t))
        return TrainingPairs.of(x, targets(y), np.random.default_rng(1), folds)

    return make
