"""Time, peak memory and size of `jamie impute` on many cells, each in a process of its own.

    python tests/benchmarks/imputing_cost.py --cells 100000 --features 20000 --suffix .h5ad --suffix .zarr

The model is trained on a few hundred simulated cells of 2,000 genes, of which one in ten counts is not zero, and of
as many target features as are to be imputed; its targets are principal components, as those of the default model.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scipy import sparse

GENES, TRAINED_ON = 2000, 600
PREPROCESS = {"genes": ["log_normalize", {"pca": {"n_components": 128}}], "target": ["standardize", "pca"]}


def prepare(n_cells: int, n_features: int, folder: Path) -> None:
    """Save a model of genes and `n_features` target features, and cells to impute these of."""
    import numpy as np
    from anndata import AnnData
    from mudata import MuData

    import jamie
    from jamie.data.assemble import mudata_conventions

    target = np.random.default_rng(1).normal(size=(TRAINED_ON, n_features)).astype(np.float32)
    with mudata_conventions():
        mdata = MuData({"genes": AnnData(counts(TRAINED_ON, 0)), "target": AnnData(target)})
    settings = {f"modalities.{name}.preprocess": steps for name, steps in PREPROCESS.items()}
    jamie.JAMIE("default", settings, min_epochs=2, max_epochs=2).fit(mdata).save(folder / "model")
    AnnData(counts(n_cells, 2)).write_h5ad(folder / "cells.h5ad")


def counts(n: int, seed: int) -> sparse.csr_matrix:
    """Counts of genes, made a piece at a time."""
    import numpy as np
    from scipy import sparse

    generator = np.random.default_rng(seed)
    pieces = []
    for start in range(0, n, 10_000):
        rows = min(10_000, n - start)
        piece = sparse.random(rows, GENES, 0.1, format="csr", dtype=np.float32, random_state=generator)
        piece.data = np.ceil(5 * piece.data)
        pieces.append(piece)
    return sparse.vstack(pieces, format="csr")


def measured(command: list[str], out: Path) -> str:
    """Run `jamie` from this process, whose own memory is small: a child begins with that of its parent."""
    started = time.monotonic()
    child = subprocess.Popen([sys.executable, "-m", "jamie", *command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    seconds, peak = time.monotonic() - started, usage.ru_maxrss
    if status:
        raise SystemExit(f"jamie {' '.join(command[:3])} failed")
    files = [out] if out.is_file() else [path for path in out.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files) / 2**30
    return f"{seconds:.0f} s, peak memory {peak / 2**20:.2f} GiB, {size:.1f} GiB in {len(files)} files"


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
        arguments = [str(given.cells), str(given.features), str(folder)]
        subprocess.run([sys.executable, __file__, "prepare", *arguments], check=True, stderr=subprocess.DEVNULL)
        chosen = [] if given.chosen is None else ["--features", ",".join(map(str, range(given.chosen)))]
        print(f"{given.cells} cells x {given.chosen or given.features} features")
        for suffix in given.suffix or [".h5ad", ".zarr"]:
            out = folder / f"imputed{suffix}"
            cells = [str(folder / "model"), str(folder / "cells.h5ad"), "--source", "genes", "--out", str(out)]
            print(f"{suffix}: {measured(['impute', *cells, *chosen], out)}", flush=True)
            shutil.rmtree(out) if out.is_dir() else out.unlink()


if __name__ == "__main__":
    if sys.argv[1:2] == ["prepare"]:
        prepare(int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
    else:
        main()
