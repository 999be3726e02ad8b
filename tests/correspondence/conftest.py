"""Point clouds without symmetry, and isometric copies of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from jamie.core.data import Block, View


@dataclass(frozen=True)
class Copy:
    """A cloud `b` and cells of it in another space, `a`; cell i of `a` is cell `partner[i]` of `b`."""

    a: View
    b: View
    partner: np.ndarray


def make_view(name, X):
    X = np.asarray(X, np.float32)
    return View(name, Block(X, pd.Index([f"{name}{i}" for i in range(X.shape[1])])), X)


def make_copy(n_a, n_b, seed=0):
    rng = np.random.default_rng(seed)
    cloud = rng.normal(size=(n_b, 5)) * [3, 2, 1, 1, 0.5] + rng.gamma(1, 1, size=(n_b, 5))
    partner = rng.permutation(n_b)[:n_a]
    rotation = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    return Copy(make_view("a", cloud[partner] @ rotation * 3), make_view("b", cloud), partner)


@pytest.fixture
def view_of():
    return make_view


@pytest.fixture
def isometric_copy():
    return make_copy
