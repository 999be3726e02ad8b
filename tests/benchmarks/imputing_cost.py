"""Time, peak memory and size of `jamie impute` on many cells, each in a process of its own.

    python tests/benchmarks/imputing_cost.py --cells 100000 --features 20000 --suffix .h5ad --suffix .zarr

The model is trained on a few hundred simulated cells of 2,000 genes, of which one in ten counts is not zero, and of
as many target features as are to be imputed; its targets are principal components, as those of the default model.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from anndata import AnnData
from mudata import MuData
from scipy import sparse

import jamie
from jamie.core.context import physical_memory

GENES, TRAINED_ON = 2000, 600
PREPROCESS = {"genes": ["log_normalize", {"pca": {"n_components": 128}}], "target": ["standardize", "pca"]}


def counts(n: int, seed: int) -> sparse.csr_matrix:
    """Counts of genes, made a piece at a time."""
    generator = np.random.default_rng(seed)
    pieces = []
    for start in range(0, n, 10_000):
        rows = min(10_000, n - start)
        piece = sparse.random(rows, GENES, 0.1, format="csr", dtype=np.float32, random_state=generator)
        piece.data = np.ceil(5 * piece.data)
        pieces.append(piece)
    return sparse.vstack(pieces, format="csr")


def train(n_features: int, folder: Path) -> None:
    """Save a model of genes and `n_features` target features."""
    genes = counts(TRAINED_ON, 0)
    target = np.random.default_rng(1).normal(size=(TRAINED_ON, n_features)).astype(np.float32)
    mdata = MuData({"genes": AnnData(genes), "target": AnnData(target)})
    settings = {f"modalities.{name}.preprocess": steps for name, steps in PREPROCESS.items()}
    model = jamie.JAMIE("default", settings, min_epochs=2, max_epochs=2)
    model.fit(mdata).save(folder)


def main() -> None:
    """Train, impute into each format, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--features", type=int, default=20_000, help="of the target")
    parser.add_argument("--chosen", type=int, help="impute the first so many of them alone")
    parser.add_argument("--suffix", action="append", help=".h5ad or .zarr; repeatable")
    parser.add_argument("--folder", type=Path, help="where to work; removed afterwards")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        train(given.features, folder / "model")
        AnnData(counts(given.cells, 2)).write_h5ad(folder / "cells.h5ad")
        chosen = [] if given.chosen is None else ["--features", ",".join(map(str, range(given.chosen)))]
        print(f"{given.cells} cells x {given.chosen or given.features} features; {physical_memory() / 2**30:.0f} GiB")
        for suffix in given.suffix or [".h5ad", ".zarr"]:
            out = folder / f"imputed{suffix}"
            command = ["impute", folder / "model", folder / "cells.h5ad", "--source", "genes", "--out", out, *chosen]
            started = time.monotonic()
            subprocess.run([sys.executable, "-m", "jamie", *map(str, command)], check=True, stdout=subprocess.DEVNULL)
            seconds = time.monotonic() - started
            files = [out] if out.is_file() else [path for path in out.rglob("*") if path.is_file()]
            size = sum(path.stat().st_size for path in files) / 2**30
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20  # the largest so far
            print(f"{suffix}: {seconds:.0f} s, peak memory {peak:.2f} GiB, {size:.1f} GiB in {len(files)} files")
            shutil.rmtree(out) if out.is_dir() else out.unlink()


if __name__ == "__main__":
    main()
