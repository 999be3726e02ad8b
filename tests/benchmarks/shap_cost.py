"""Time and peak memory of Shapley values, in a process of its own that reads a trained model and its cells.

    OMP_NUM_THREADS=1 python tests/benchmarks/shap_cost.py --features 20000 --cells 1000 --targets 30

The model is trained for two epochs on simulated counts of as many genes, of which one in ten is not zero, and imputes
60 proteins from them. Its preprocessing is that of the default, which is affine; with `--counts` log_normalize comes
first, and gradients are taken with respect to the genes themselves.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

TRAINING_CELLS, PROTEINS = 1200, 60


def prepare(features: int, cells: int, counts: bool, folder: Path) -> None:
    """Save a model and cells of which it has seen some."""
    import numpy as np
    from anndata import AnnData
    from mudata import MuData
    from scipy import sparse

    import jamie
    from jamie.data.assemble import mudata_conventions

    generator = np.random.default_rng(0)
    n = max(cells, TRAINING_CELLS)
    genes = sparse.random(n, features, 0.1, format="csr", dtype=np.float32, random_state=generator)
    genes.data = np.ceil(5 * genes.data)
    proteins = (genes[:, :50] @ generator.normal(size=(50, PROTEINS))).astype(np.float32)
    with mudata_conventions():
        mdata = MuData({"genes": AnnData(genes), "proteins": AnnData(proteins)})
        mdata.write_h5mu(folder / "cells.h5mu")
    first = {"modalities.genes": {"preprocess": ["log_normalize", *DEFAULT]}} if counts else {}
    overrides = {"evaluate.holdout.fraction": 0, "modalities.proteins": {}, "modalities.genes": {}, **first}
    jamie.JAMIE("default", overrides, min_epochs=2, max_epochs=2).fit(mdata).save(folder / "model")


DEFAULT = [
    "standardize",
    {"pca": {"n_components": 64, "whitening": 0.5, "components_per_sqrt_cell": 2}},
]


def explain(cells: int, targets: int, background: int, folder: Path) -> None:
    """Explain, and print what it took."""
    import mudata

    import jamie
    from jamie.core.resources import measure_resources

    model, mdata = jamie.load(folder / "model"), mudata.read_h5mu(folder / "cells.h5mu")
    with measure_resources() as meter:
        found = model.explain(
            mdata, "shap", source="genes", target="proteins", cells=cells, features=targets, background=background
        )
    error = found.tables["additivity"]["error"].max()
    print(
        f"{meter.usage.seconds:.0f} s, {found.settings['nodes']} nodes x {background} background cells, values miss "
        f"the prediction by at most {100 * error:.2g} % of its standard deviation",
        flush=True,
    )


def main() -> None:
    """Train, explain, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=int, default=20_000)
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("--targets", type=int, default=30)
    parser.add_argument("--background", type=int, default=100)
    parser.add_argument("--counts", action="store_true", help="log_normalize first")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        arguments = [str(given.features), str(given.cells), str(int(given.counts)), name]
        subprocess.run([sys.executable, __file__, "prepare", *arguments], check=True, stderr=subprocess.DEVNULL)
        print(f"{given.features} genes x {given.cells} cells x {given.targets} targets", flush=True)
        arguments = [str(given.cells), str(given.targets), str(given.background), name]
        child = subprocess.Popen([sys.executable, __file__, "explain", *arguments])
        _, status, usage = os.wait4(child.pid, 0)
        if status:
            raise SystemExit("explaining failed")
        print(f"peak memory {usage.ru_maxrss / 2**20:.2f} GiB, {usage.ru_utime:.0f} s of the processor with reading")


if __name__ == "__main__":
    if sys.argv[1:2] == ["prepare"]:
        prepare(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "1", Path(sys.argv[5]))
    elif sys.argv[1:2] == ["explain"]:
        explain(int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5]))
    else:
        main()
