"""Training by two processes against one: losses of the first steps, and time of a step.

Run by hand, where nothing else runs: ``OMP_NUM_THREADS=1 python tests/benchmarks/processes.py [N_CELLS]``. Cells are
random, 64 components of each of two modalities, all in pairs; networks and losses are those of the default preset. The
processor time of a step is that of the busiest process, which is what a step takes on cores of their own, but for the
time that processes wait for each other. What the processes need to start is no part of it.
"""

from __future__ import annotations

import os
import resource
import sys
import time

import numpy as np
import pandas as pd

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Correspondences
from jamie.core.data import Block, Cells, View
from jamie.spec import load_spec
from jamie.training.train import train

N_COMPONENTS, ROUNDS, FIRST_STEPS, TIMED_STEPS = 64, 3, 100, 60
CASES = [(5, 128), (6, 128), (1, 128), (1, 1024)]  # members, cells of a minibatch


def make_cells(n_cells: int) -> Cells:
    """Two modalities of the same cells: few common factors, and noise."""
    generator = np.random.default_rng(0)
    factors = generator.standard_normal((n_cells, 10), dtype=np.float32)
    x = {}
    for m in ("a", "b"):
        noise = generator.standard_normal((n_cells, N_COMPONENTS), dtype=np.float32)
        x[m] = factors @ generator.standard_normal((10, N_COMPONENTS), dtype=np.float32) / 3 + noise
    known = Correspondence.from_pairs(range(n_cells), range(n_cells), (n_cells, n_cells))
    views = {m: View(m, Block(v, pd.RangeIndex(N_COMPONENTS)), v) for m, v in x.items()}
    return Cells(views, x, Correspondences(dict.fromkeys(x, n_cells), {("a", "b"): known}))


def fit(cells: Cells, members: int, batch_size: int, devices: int, epochs: int, steps: int) -> list[list[list[float]]]:
    """Losses of each member and epoch."""
    settings = {"ensemble": members, "batch_size": batch_size, "devices": devices, "device": "cpu", "validation": 0}
    settings |= {"max_epochs": epochs, "min_epochs": 0, "steps_per_epoch": steps, "calibration": 0}
    overrides = {f"training.{key}": value for key, value in settings.items()}
    spec = load_spec({"correspondence": {"infer": None}}, overrides, reads_data=False)
    return [history.epochs for history in train(cells, None, spec, Context()).histories]


def seconds_of_fit(cells: Cells, members: int, batch_size: int, devices: int, steps: int) -> np.ndarray:
    """Wall time, and processor time of this process and of those that it started."""

    def now() -> np.ndarray:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return np.array([time.perf_counter(), time.process_time(), children.ru_utime + children.ru_stime])

    started = now()
    fit(cells, members, batch_size, devices, 1, steps)
    return now() - started


def seconds_of_step(cells: Cells, members: int, batch_size: int, devices: int) -> tuple[float, float]:
    """Wall time, and processor time of the busiest process; what a fit takes besides its steps is taken off."""
    few, many = (seconds_of_fit(cells, members, batch_size, devices, steps) for steps in (5, 5 + TIMED_STEPS))
    wall, *processors = (many - few) / TIMED_STEPS
    return wall, max(processors)


def main() -> None:
    """Print the largest difference of losses, and the times of a step side by side."""
    cells = make_cells(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
    print(f"{cells.known.sizes['a']} cells, load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for members, batch_size in CASES:
        one, two = (np.array(fit(cells, members, batch_size, devices, FIRST_STEPS, 1)) for devices in (1, 2))
        apart = (np.abs(two - one) / np.maximum(np.abs(one), 1)).max()
        times = np.array(
            [[seconds_of_step(cells, members, batch_size, devices) for devices in (1, 2)] for _ in range(ROUNDS)]
        )
        single, double = 1000 * np.median(times, axis=0)
        wall, processor = np.median(times[:, 0] / times[:, 1], axis=0)
        print(
            f"members {members}, minibatches of {batch_size:4}: losses of {FIRST_STEPS} steps differ by {apart:.1e}; "
            f"a step {single[0]:.1f} ms by one, {double[0]:.1f} by two, {wall:.2f} x; "
            f"processor {single[1]:.1f}, {double[1]:.1f}, {processor:.2f} x; load {os.getloadavg()[0]:.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
