"""Processor time and memory of preprocessing sparse cells by tfidf and pca, as the number of features grows.

    python tests/benchmarks/wide_cost.py --cells 10000 --features 10000 30000 100000

Each is measured in a process of its own. Cells are of 20 types, and one value in twenty is not zero; memory is what
comes on top of the cells. The last line is the exponent of the time's growth.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time

TYPES, DENSITY, COMPONENTS = 20, 0.05, 64


def measure(n_cells: int, n_features: int) -> tuple[float, float, float]:
    """Processor seconds, MiB that the cells take, and MiB on top of them at most."""
    import numpy as np
    import pandas as pd
    from scipy import sparse

    from jamie.core.context import Context
    from jamie.preprocess.chain import Chain
    from jamie.preprocess.pca import PCA
    from jamie.preprocess.tfidf import TFIDF

    rng = np.random.default_rng(0)
    pieces = []
    for _ in range(TYPES):
        weight = rng.gamma(0.3, size=n_features)
        total = int(n_cells / TYPES * n_features * DENSITY)
        columns = rng.choice(n_features, total, p=weight / weight.sum()).astype(np.int32)
        rows = rng.integers(0, n_cells // TYPES, total, dtype=np.int32)
        shape = (n_cells // TYPES, n_features)
        pieces.append(sparse.csr_array((np.ones(total, np.float32), (rows, columns)), shape=shape))
    X = sparse.csr_array(sparse.vstack(pieces, format="csr"))
    del pieces, rows, columns, weight
    cells, features = pd.DataFrame(index=range(X.shape[0])), pd.Index(range(n_features))
    Chain([TFIDF(), PCA(n_components=2)]).fit(X[:40], cells[:40], features)  # imports what it needs
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    chain = Chain([TFIDF(), PCA(n_components=COMPONENTS)]).fit(X, cells, features)
    chain.scores(X, cells, Context())
    seconds, after = time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return seconds, (X.data.nbytes + X.indices.nbytes) / 2**20, (after - before) / 2**10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=10_000)
    parser.add_argument("--features", type=int, nargs="+", default=[10_000, 30_000, 100_000])
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(*measure(given.cells, given.features[0]))
        return
    print(f"{'features':>9} {'processor s':>12} {'cells MiB':>10} {'more MiB':>9}")
    times = []
    for n_features in given.features:
        command = [sys.executable, __file__, "--one", "--cells", str(given.cells), "--features", str(n_features)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds, size, more = map(float, done.stdout.split())
        times.append(seconds)
        print(f"{n_features:>9,} {seconds:>12.1f} {size:>10.0f} {more:>9.0f}", flush=True)
    if len(times) > 1:
        import numpy as np

        print(f"time grows as features ^ {np.polyfit(np.log(given.features), np.log(times), 1)[0]:.2f}")


if __name__ == "__main__":
    main()
