"""Time, memory and disk of a whole run, as the cells, the features or the members of the ensemble grow.

    OMP_NUM_THREADS=1 python tests/benchmarks/growth.py
    OMP_NUM_THREADS=1 python tests/benchmarks/growth.py --of cells --sizes 100000 1000000 --keep runs/growth

Cells are simulated (`jamie simulate --kind pairs`: sparse counts of two modalities, all pairs known) and written to
zarr. Each run is one of the default preset, to the page, in a process of its own; `--set` changes its spec, as for
`jamie run`. Printed are the processor seconds of each stage, the most memory that the process held, and the size of
the run directory. The last line is the exponent of each: the slope of its logarithm over that of the size.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

SIZES = {
    "cells": [316, 1000, 3162, 10_000, 31_623, 100_000],
    "features": [100, 316, 1000, 3162, 10_000, 31_623, 100_000],
    "members": [1, 2, 5, 10, 20],
}
SPEC = """
jamie: 1
data: {{mudata: {{path: {path}}}}}
labels: [cell_type]
modalities:
  rna: {{preprocess: [log_normalize, standardize, {pca}]}}
  protein: {{preprocess: [clr, standardize, {pca}]}}
"""
PCA = "{pca: {n_components: 64, whitening: 0.5, components_per_sqrt_cell: 2}}"  # as of the preset
STAGES = ("data", "preprocess", "correspondence", "training", "calibration", "evaluation", "results", "report")
COLUMNS = (*STAGES, "total", "wall", "MiB", "disk MB")


@dataclass(frozen=True)
class Size:
    """Of the cells and the model of a run."""

    cells: int
    features: int
    members: int


def measure(size: Size, settings: list[str], folder: Path) -> list[float]:
    """Run once, and return what `COLUMNS` names."""
    data, spec, out = folder / "cells.zarr", folder / "spec.yaml", folder / "run"
    features = ["--n-features", str(size.features), "--n-features", str(max(10, size.features // 10))]
    _jamie("simulate", data, "--kind", "pairs", "--n-cells", str(size.cells), *features, "--overwrite")
    spec.write_text(SPEC.format(path=data.resolve(), pca=PCA))
    changed = [f"training.ensemble={size.members}", *settings]
    _jamie("run", spec, "--out", out, "--overwrite", "--quiet", *(part for one in changed for part in ("--set", one)))
    manifest = json.loads((out / "manifest.json").read_text())
    stages = manifest["stages"]
    seconds = [stages.get(name, {}).get("processor_seconds", np.nan) for name in STAGES]
    wall = sum(stage["seconds"] for stage in stages.values())
    disk = sum(file.stat().st_size for file in out.rglob("*") if file.is_file()) / 1e6
    return [*seconds, np.nansum(seconds), wall, manifest["peak_memory_mib"], disk]


def _jamie(*arguments: Any) -> None:
    done = subprocess.run([sys.executable, "-m", "jamie", *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"jamie {' '.join(map(str, arguments))}\n{done.stdout}{done.stderr}")


def exponents(sizes: list[int], rows: list[list[float]]) -> list[float]:
    """Slope of the logarithm of each column over that of the size; NaN where a value is missing or 0."""
    with np.errstate(divide="ignore"):
        logs = np.log(np.array(rows))
    return [
        float(np.polyfit(np.log(sizes), column, 1)[0]) if np.isfinite(column).all() else np.nan for column in logs.T
    ]


def curve(of: str, given: argparse.Namespace, folder: Path) -> None:
    """Measure a run of each size, and print a line for it."""
    sizes = given.sizes or SIZES[of]
    base = {"cells": given.cells, "features": given.features, "members": given.members}
    width = max(len(of), 9)
    print(f"\n{of:>{width}} " + " ".join(f"{name:>11.11}" for name in COLUMNS))
    rows = []
    for size in sizes:
        rows.append(measure(Size(**{**base, of: size}), given.set, folder))
        print(f"{size:>{width},} " + " ".join(f"{value:>11,.1f}" for value in rows[-1]), flush=True)
    if len(sizes) > 1:
        print(f"{'exponent':>{width}} " + " ".join(f"{value:>11.2f}" for value in exponents(sizes, rows)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--of", choices=SIZES, nargs="+", default=list(SIZES), help="what grows; all by default")
    parser.add_argument("--sizes", type=int, nargs="+", help="instead of the usual ones, such as 1000000 cells")
    parser.add_argument("--cells", type=int, default=2000, help="where these do not grow")
    parser.add_argument("--features", type=int, default=2000, help="of the first modality; the second has a tenth")
    parser.add_argument("--members", type=int, default=5)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the spec")
    parser.add_argument("--keep", type=Path, help="folder for the last cells and run, instead of one that is removed")
    given = parser.parse_args()
    if given.sizes and len(given.of) > 1:
        parser.error("--sizes: name one of cells, features and members with --of")
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for of in given.of:
            curve(of, given, folder)


if __name__ == "__main__":
    main()
