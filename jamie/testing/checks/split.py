"""Splits of cells with the annotations that toy cells have."""

from __future__ import annotations

import numpy as np
import pandas as pd

from jamie.core.context import Context
from jamie.core.interfaces import Splitter
from jamie.testing import toy
from jamie.testing.assertions import build, require, require_equal


def check_holds_some_cells_out(component: type[Splitter]) -> None:
    """Some cells are held out, and some are not."""
    held_out = build(component).hold_out(_cells(), Context(seed=3))
    some = 0 < held_out.sum() < len(held_out)
    found = f"{held_out.sum()} of {len(held_out)}"
    require(some, component, "holds some cells out", expected="some, not all", found=found)


def check_same_seed_same_cells(component: type[Splitter]) -> None:
    """The same seed holds out the same cells."""
    first, second = (build(component).hold_out(_cells(), Context(seed=3)) for _ in range(2))
    require_equal(component, "the same seed holds out the same cells", first, second)


def _cells() -> pd.DataFrame:
    obs = toy.obs("rna").astype(str)
    return obs.assign(cell_type=np.where(np.arange(len(obs)) % 3, "A", "B"), donor=np.arange(len(obs)).astype(str))
