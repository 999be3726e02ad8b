"""Cost of `unioncom` against the plain dense iteration (`plain_unioncom.py`): time, objective, residuals, memory.

Run by hand: ``OMP_NUM_THREADS=1 python tests/benchmarks/unioncom_cost.py DATA [ITERATIONS]``, DATA being the name of a
file of two modalities in the folder JAMIE_DATA (``patchseq_motor``) or a number of cells to simulate. ITERATIONS (2000)
are those of the plain solver that are carried out; the time of 2000 is extrapolated from fewer, and the objective then
is not that of 2000. Both work in turn in one process, with as many threads; seconds are those of the processor, which
other work on the machine changes least, and the distances are among them on both sides. Memory is the peak above what
the process held before.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from plain_unioncom import PlainUnionCom

from jamie.core.context import Context
from jamie.core.correspondence import Inferred
from jamie.core.data import Block, View
from jamie.core.resources import measure_resources
from jamie.correspondence.unioncom import UnionCom

ITERATIONS = 2000
N_COMPONENTS = 512
Pair = tuple[View, View]


@dataclass(frozen=True)
class Cost:
    """What one solver took, and what it told."""

    seconds: float
    mib: float
    diagnostics: dict[str, float]


def view(name: str, X: NDArray[np.floating]) -> View:
    """Standardised features, reduced to principal components."""
    X = X[:, X.std(axis=0) > 0].astype(np.float64)
    u, s, _ = np.linalg.svd((X - X.mean(axis=0)) / X.std(axis=0), full_matrices=False)
    scores = (u * s)[:, :N_COMPONENTS].astype(np.float32)
    return View(name, Block(scores, pd.Index(map(str, range(scores.shape[1])))), scores)


def simulated(n: int) -> Pair:
    """Cells on three branches that are measured twice, with noise of each modality's own."""
    rng = np.random.default_rng(0)
    branch, along = rng.integers(3, size=n), rng.beta(1, 2, size=n)
    place = np.column_stack([along * (branch == k) * length for k, length in enumerate((4, 2.5, 1.5))])
    maps = (rng.normal(size=(3, p)) for p in (60, 20))
    a, b = (np.tanh(place @ m) + 0.2 * rng.normal(size=(n, m.shape[1])) for m in maps)
    return view("a", a), view("b", b)


def read(name: str) -> Pair:
    """Both modalities of a file; log counts of `patchseq_motor`."""
    import mudata

    modalities = mudata.read_h5mu(Path(os.environ["JAMIE_DATA"]) / f"{name}.h5mu").mod
    a, b = (view(m, np.asarray(data.layers.get("log1p_cpm", data.X))) for m, data in modalities.items())
    return a, b


def cost(infer: Callable[[], Inferred]) -> Cost:
    """Seconds, peak memory and diagnostics."""
    gc.collect()
    with measure_resources() as before:
        pass
    with measure_resources() as during:
        started = time.process_time()
        found = infer()
        seconds = time.process_time() - started
    return Cost(seconds, during.usage.peak_memory_mib - before.usage.peak_memory_mib, dict(found.diagnostics))


def main() -> None:
    """Print both and their ratios."""
    data, iterations = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else ITERATIONS
    a, b = simulated(int(data)) if data.isdigit() else read(data)
    context = Context(stage="correspondence a--b")
    for small in (UnionCom(max_iterations=5), PlainUnionCom(iterations=5)):  # libraries are loaded
        small.infer(*simulated(100), context=context)
    ours = cost(lambda: UnionCom(use_known=False).infer(a, b, context=context))
    print(f"unioncom: {ours.seconds:.1f} s, {ours.mib:.0f} MiB, {ours.diagnostics}", flush=True)
    none, plain = (cost(lambda i=i: PlainUnionCom(iterations=i).infer(a, b, context=context)) for i in (1, iterations))
    seconds = none.seconds + (plain.seconds - none.seconds) * (ITERATIONS - 1) / max(iterations - 1, 1)
    told = "" if iterations == ITERATIONS else ", extrapolated"
    objective = ours.diagnostics["objective"] / plain.diagnostics["objective"]
    print(f"plain, {iterations} iterations: {plain.seconds:.1f} s, {plain.mib:.0f} MiB, {plain.diagnostics}")
    print(
        f"{data}, {torch.get_num_threads()} threads: plain takes {seconds / ours.seconds:.1f} x the time of unioncom "
        f"({seconds:.0f} s for {ITERATIONS} iterations{told}); unioncom takes {ours.mib / plain.mib:.2f} x its memory "
        f"and has {objective:.3f} x its objective"
    )


if __name__ == "__main__":
    main()
