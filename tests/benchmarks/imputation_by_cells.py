"""Imputation against the number of training cells: the default beside tuned regressions and their stack.

    OMP_NUM_THREADS=1 python tests/benchmarks/imputation_by_cells.py scores.jsonl [DATASET ...] [--orders 0 1 2 3 4]
    python tests/benchmarks/imputation_by_cells.py scores.jsonl --table

Holds out the first fifth of the cells of ``order_K`` of the split files in ``$JAMIE_DATA``, draws 30, 60, 125, 250, 500
and 1,000 of the others, and takes them all. Scores are mean Pearson over the features of held-out cells. Regressions
are tuned by five-fold cross-validation on the same training cells and read all their principal components, at most 512,
of standardized features. Held-out cells are drawn with replacement 200 times for the intervals of differences. A line
is added to the file for each dataset, order and number of cells; those that are there are not computed again.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import mudata
import numpy as np
import pandas as pd
from numpy.typing import NDArray

import jamie
from jamie.regression.pairs import TrainingPairs
from jamie.regression.stack import REGRESSIONS, stack

LAYERS: Mapping[str, Mapping[str, str]] = {"patchseq_motor": {"rna": "log1p_cpm", "ephys": "raw"}}
DATASETS = ("citeseq_pbmc", "patchseq_motor", "snareseq_cortex", "scgem")
METHODS = ("ridge", "kernel_ridge", "knn", "pls", "reduced_rank", "forest")
NUMBERS = (30, 60, 125, 250, 500, 1000)
COMPONENTS, DRAWS = 512, 200
SETTINGS = {
    "correspondence.infer": None,
    "correspondence.verify": "none",
    "evaluate.metrics": [],
    "evaluate.holdout.fraction": 0,
}

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


def split(dataset: str, order: int, n: int | None = None) -> tuple[Indices, Indices]:
    """Return n training cells (None for all) and the held-out cells."""
    position = pd.read_csv(data_folder() / "splits" / f"{dataset}.csv")[f"order_{order}"].to_numpy()
    held_out = position < len(position) // 5
    train = np.flatnonzero(~held_out)
    if n is not None:
        train = np.sort(np.random.default_rng(order).permutation(train)[:n])
    return train, np.flatnonzero(held_out)


def data_folder() -> Path:
    """Return the folder of the datasets."""
    return Path(os.environ["JAMIE_DATA"])


def measure(dataset: str, order: int, n: int | None) -> dict[str, Any]:
    """Score the default and the regressions in both directions."""
    mdata, (train, held_out) = mudata.read_h5mu(data_folder() / f"{dataset}.h5mu"), split(dataset, order, n)
    layers = LAYERS.get(dataset, {})
    settings = SETTINGS | {f"modalities.{m}.layer": layer for m, layer in layers.items()}
    started = time.process_time()
    model = jamie.JAMIE("default", settings).fit(mdata[train].copy())
    row: dict[str, Any] = {"set": dataset, "order": order, "n": len(train)}
    row["seconds_jamie"] = time.process_time() - started
    values = {m: np.asarray(a.layers[layers[m]] if m in layers else a.X, np.float64) for m, a in mdata.mod.items()}
    scores = {m: components(x, train) for m, x in values.items()}
    n_held_out = len(held_out)
    draws = np.random.default_rng(0).multinomial(n_held_out, np.full(n_held_out, 1 / n_held_out), DRAWS).astype(float)
    a, b = mdata.mod
    for source, target in ((a, b), (b, a)):
        imputed = model.impute(mdata[held_out].copy(), source=source, to=target, intervals=False)
        z, (y, back) = scores[source][0], scores[target]
        pairs = TrainingPairs.of(z[train], y[train], np.random.default_rng(order))
        fits = [REGRESSIONS[name]().fit(pairs) for name in METHODS]
        predicted = {name: fit.predict(z[held_out]) @ back for name, fit in zip(METHODS, fits, strict=True)}
        predicted |= {"stack": stack(fits, pairs).predict(z[held_out]) @ back}
        predicted = {"jamie": np.asarray(imputed.X, np.float64), **predicted}
        measured, key = values[target][held_out], f"{source}>{target}"
        row[key] = {name: round(float(correlations(p, measured).mean()), 5) for name, p in predicted.items()}
        drawn = {name: redrawn(p, measured, draws) for name, p in predicted.items()}
        gains = {name: drawn["jamie"] - r for name, r in drawn.items() if name != "jamie"}
        row[f"{key} boot"] = {
            name: [round(float(q), 5) for q in np.percentile(gain, (2.5, 16, 50, 84, 97.5))]
            for name, gain in gains.items()
        }
        row[f"{key} se"] = round(float(drawn["jamie"].std()), 5)
        row[f"{key} weight"] = round(float(model.model.stacks[source, target].weight), 3)
    return row


def components(x: Floats, train: Indices) -> tuple[Floats, Floats]:
    """Return scores (n, k) on the principal components of standardized training cells, and their loadings (k, p)."""
    mean, sd = x[train].mean(axis=0), x[train].std(axis=0)
    varies = sd > 1e-9
    standardized = np.where(varies, (x - mean) / np.where(varies, sd, 1), 0)
    _, s, vt = np.linalg.svd(standardized[train], full_matrices=False)
    kept = min(int((s > 1e-6 * s[0]).sum()), COMPONENTS)
    return standardized @ vt[:kept].T, vt[:kept]


def correlations(predicted: Floats, measured: Floats) -> Floats:
    """Correlation of each feature that varies; 0 where the prediction does not vary."""
    p, m = predicted - predicted.mean(axis=0), measured - measured.mean(axis=0)
    spread = np.sqrt((m**2).sum(axis=0))
    varies = spread > 1e-6 * np.sqrt(len(m))
    norm = np.sqrt((p**2).sum(axis=0))
    r = np.where(norm > 1e-9, (p * m).sum(axis=0) / np.maximum(norm * spread, 1e-12), 0)
    return np.asarray(r[varies])


def redrawn(predicted: Floats, measured: Floats, draws: Floats) -> Floats:
    """Mean correlation (B,) over the features, for counts (B, n) of each cell."""
    p, m = ((v - v.mean(axis=0)) / np.maximum(v.std(axis=0), 1e-9) for v in (predicted, measured))
    total = draws.sum(axis=1, keepdims=True)
    mean_p, mean_m = draws @ p / total, draws @ m / total
    covariance = draws @ (p * m) / total - mean_p * mean_m
    var_p, var_m = draws @ p**2 / total - mean_p**2, draws @ m**2 / total - mean_m**2
    varies = var_m > 1e-6
    usable = varies & (var_p > 1e-9)
    r = np.where(usable, covariance / np.sqrt(np.maximum(var_p * var_m, 1e-12)), 0)
    return np.asarray(r.sum(axis=1) / varies.sum(axis=1))


def table(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Lay out means over orders, the best single method of each entry, and what the differences from it are."""
    entries = defaultdict(list)
    for row in rows:
        for key in (k for k in row if ">" in k and " " not in k):
            entries[row["set"], key, row["n"]].append((row[key], row[f"{key} boot"], row[f"{key} se"]))
    heads = ["dataset", "direction", "cells", "orders", "jamie", "stack", *METHODS, "jamie less the best", "s.e."]
    yield f"| {' | '.join(heads)} |"
    yield "|" + " --- |" * len(heads)
    for (dataset, key, n), found in sorted(
        entries.items(), key=lambda item: (DATASETS.index(item[0][0]), *item[0][1:])
    ):
        mean = {name: np.mean([scores[name] for scores, _, _ in found]) for name in found[0][0]}
        best = max(METHODS, key=lambda name: mean[name])
        gain = np.array([scores["jamie"] - scores[best] for scores, _, _ in found])
        # over cells, and over orders, which share cells: the larger of both
        over_cells = np.mean([(boot[best][3] - boot[best][1]) / 2 for _, boot, _ in found]) / np.sqrt(len(gain))
        over_orders = gain.std(ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else 0.0
        columns = [dataset, key.replace(">", " → "), str(n), str(len(found))]
        columns += [f"{mean[name]:.3f}" for name in ("jamie", "stack", *METHODS)]
        columns += [f"{gain.mean():+.3f} ({best})", f"{max(over_cells, over_orders):.3f}"]
        yield f"| {' | '.join(columns)} |"


def main() -> None:
    """Measure what the file lacks, or print the table of what it holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("datasets", nargs="*", default=DATASETS)
    parser.add_argument("--orders", nargs="+", type=int, default=range(5))
    parser.add_argument("--table", action="store_true")
    given = parser.parse_args()
    rows = [json.loads(line) for line in given.file.read_text().splitlines()] if given.file.exists() else []
    if given.table:
        print("\n".join(table(rows)))
        return
    done = {(row["set"], row["order"], row["n"]) for row in rows}
    for order in given.orders:
        for dataset in given.datasets:
            n_all = len(split(dataset, order)[0])
            for n in [*(n for n in NUMBERS if n < n_all), n_all]:
                if (dataset, order, n) not in done:
                    row = measure(dataset, order, n if n < n_all else None)
                    with given.file.open("a") as lines:
                        lines.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
