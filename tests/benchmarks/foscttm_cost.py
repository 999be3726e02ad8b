"""Cost of FOSCTTM against the distances alone, in the same blocks.

Run by hand: ``OMP_NUM_THREADS=1 python tests/benchmarks/foscttm_cost.py [N [NOISE]]`` for N x N cells (50,000) in 32
dimensions, of which the second are the first with noise of this standard deviation (1; 100 makes them unrelated, which
takes longer). Both are timed in turn, in one process, after fewer cells. The distances alone are computed once for both
directions, in blocks that are then forgotten, and in two ways: euclidean distances as scikit-learn computes them (a
product, the norms, no less than 0, the root), and the product of a single matrix multiplication that gives squared
distances with nothing done to them, which no computation of distances can undercut.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
from scipy import sparse

from jamie.core.evaluation import EmbeddedPair
from jamie.core.resources import measure_resources
from jamie.metrics.closer_fractions import CHUNK_A, CHUNK_B
from jamie.metrics.foscttm import FOSCTTM

N_CELLS, N_LATENT, ROUNDS = 50_000, 32, 3
FEWER = (4_000, 12_000)

Block = Callable[[slice, slice], None]


def cells(n: int, noise: float) -> EmbeddedPair:
    """Cells and noisy copies of them."""
    generator = np.random.default_rng(0)
    a = generator.standard_normal((n, N_LATENT), dtype=np.float32)
    b = a + np.float32(noise) * generator.standard_normal((n, N_LATENT), dtype=np.float32)
    return EmbeddedPair("a", "b", a, b, sparse.eye_array(n, format="csr", dtype=np.float32))


def in_blocks(n: int, block: Block) -> None:
    """Go through all pairs of cells in the blocks of the metric."""
    for i in range(0, n, CHUNK_A):
        for j in range(0, n, CHUNK_B):
            block(slice(i, min(i + CHUNK_A, n)), slice(j, min(j + CHUNK_B, n)))


def distances(pair: EmbeddedPair) -> None:
    """Euclidean distances."""
    a, b = pair.z_source, pair.z_target
    squares_a, squares_b = (np.einsum("ij,ij->i", z, z) for z in (a, b))
    buffer = np.empty((CHUNK_A, CHUNK_B), np.float32)

    def block(at_a: slice, at_b: slice) -> None:
        out = buffer[: at_a.stop - at_a.start, : at_b.stop - at_b.start]
        np.matmul(a[at_a], b[at_b].T, out=out)
        out *= -2
        out += squares_a[at_a, None]
        out += squares_b[at_b]
        np.maximum(out, 0, out=out)
        np.sqrt(out, out=out)

    in_blocks(len(a), block)


def products(pair: EmbeddedPair) -> None:
    """Squared distances, as one product of (N, L + 2) factors."""
    a, b = pair.z_source, pair.z_target
    squares_a, squares_b = (np.einsum("ij,ij->i", z, z)[:, None] for z in (a, b))
    ones = np.ones_like(squares_a)
    left, right = np.hstack([-2 * a, squares_a, ones]), np.hstack([b, ones, squares_b])
    buffer = np.empty((CHUNK_A, CHUNK_B), np.float32)

    def block(at_a: slice, at_b: slice) -> None:
        np.matmul(left[at_a], right[at_b].T, out=buffer[: at_a.stop - at_a.start, : at_b.stop - at_b.start])

    in_blocks(len(a), block)


def seconds(work: Callable[[EmbeddedPair], object], pair: EmbeddedPair) -> float:
    """Time that the work takes."""
    started = time.perf_counter()
    work(pair)
    return time.perf_counter() - started


def main() -> None:
    """Print medians, their ratios and the peak memory of the process."""
    n_cells = int(sys.argv[1]) if len(sys.argv) > 1 else N_CELLS
    noise = float(sys.argv[2]) if len(sys.argv) > 2 else 1.0
    works = {"foscttm": FOSCTTM().score, "distances": distances, "products": products}
    for n in (*(n for n in FEWER if n < n_cells), n_cells):
        pair = cells(n, noise)
        with measure_resources() as meter:
            rounds = [[seconds(work, pair) for work in works.values()] for _ in range(ROUNDS)]
        times = dict(zip(works, np.median(rounds, axis=0), strict=True))
        ratio = {name: statistics.median(r[0] / r[i] for r in rounds) for i, name in enumerate(works)}
        print(
            f"{n} x {n} cells: "
            + ", ".join(f"{name} {time:.2f} s" for name, time in times.items())
            + f"; foscttm takes {ratio['distances']:.2f} x the time of the distances, "
            f"{ratio['products']:.2f} x that of the products; peak memory {meter.usage.peak_memory_mib:.0f} MiB"
        )


if __name__ == "__main__":
    main()
