"""What drawing a minibatch costs as cells become more: known pairs for a tenth, ten inferred partners for the others.

    OMP_NUM_THREADS=1 python tests/benchmarks/sampling_cost.py [CELLS ...]

Prints, for each number of cells, the median milliseconds of drawing a minibatch of 512 and cutting it out of the data,
as a ratio to the first, and how many of its cells have a partner in it.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import pandas as pd
from scipy import sparse

from jamie.core.correspondence import Correspondence, Correspondences
from jamie.core.data import Block, Cells, View
from jamie.core.interfaces.sampler import CellPool
from jamie.training.minibatches import Minibatches
from jamie.training.pair_sampler import PairSampler

CELLS = (2_000, 20_000, 200_000, 1_000_000)
FEATURES, PARTNERS, DRAWS = 32, 10, 200


def correspondences(n: int, rng: np.random.Generator) -> tuple[Correspondences, Correspondences]:
    """Known pairs of the first tenth, and inferred partners of all."""
    told = np.arange(n // 10)
    rows, columns = np.repeat(np.arange(n), PARTNERS), rng.integers(0, n, n * PARTNERS)
    entries = sparse.coo_array((np.full(len(rows), 1 / PARTNERS, np.float32), (rows, columns)), shape=(n, n))
    sizes = {"a": n, "b": n}
    known = Correspondence.from_pairs(told, told, (n, n))
    inferred = Correspondence(entries.tocsr().minimum(1)).updated_with(known)
    return Correspondences(sizes, {("a", "b"): known}), Correspondences(sizes, {("a", "b"): inferred})


def cost(n: int) -> tuple[float, float]:
    """Median seconds of a minibatch, and the part of its cells of `a` that have a partner in it."""
    rng = np.random.default_rng(0)
    known, inferred = correspondences(n, rng)
    x = {m: rng.normal(size=(n, FEATURES)).astype(np.float32) for m in known.sizes}
    views = {m: View(m, Block(v, pd.RangeIndex(FEATURES)), v) for m, v in x.items()}
    minibatches = Minibatches(Cells(views, x, known), inferred)
    sampler = PairSampler().start(CellPool(known, inferred, 512, rng))
    seconds, matched = [], []
    for _ in range(DRAWS):
        started = time.perf_counter()
        batch = minibatches.make([sampler.draw()])
        seconds.append(time.perf_counter() - started)
        assert batch.inferred is not None
        block = batch.inferred.between("a", "b")
        assert block is not None
        matched.append(float((block.sum(dim=1) > 0).float().mean()))
    return float(np.median(seconds)), float(np.mean(matched))


if __name__ == "__main__":
    first = None
    for n in [int(word) for word in sys.argv[1:]] or CELLS:
        seconds, matched = cost(n)
        first = first or seconds
        print(f"{n:>9,} cells: {1e3 * seconds:6.2f} ms, {seconds / first:5.2f} x, {matched:.0%} with a partner")
