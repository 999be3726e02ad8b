from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import sparse


@pytest.fixture
def cells() -> Callable[[int], pd.DataFrame]:
    return lambda n: pd.DataFrame(index=[f"c{i}" for i in range(n)])


@pytest.fixture
def counts() -> NDArray[np.float32]:
    """40 cells x 12 features; a fifth of the entries are above zero, one cell is empty."""
    rng = np.random.default_rng(0)
    values = rng.poisson(5, (40, 12)) * (rng.random((40, 12)) < 0.4)
    values[7] = 0
    return values.astype(np.float32)


@pytest.fixture
def dense() -> NDArray[np.float32]:
    """40 cells x 12 correlated features of different scale."""
    rng = np.random.default_rng(1)
    return (rng.normal(size=(40, 12)) @ rng.normal(size=(12, 12)) * np.arange(1, 13) + 100).astype(np.float32)


@pytest.fixture
def csr(counts: NDArray[np.float32]) -> sparse.csr_array:
    return sparse.csr_array(counts)
