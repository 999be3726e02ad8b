"""Cost of knocking out every gene of patchseq_motor, exactly and screened, against the plain way.

Run by hand: ``JAMIE_DATA=... OMP_NUM_THREADS=1 python tests/benchmarks/knockout_cost.py [--rounds 3] [--exact 100]``.
The default is trained on the layer log1p_cpm, with all cells in training. The metric is label transfer accuracy of all
1,208 cells from rna to ephys. The plain way replaces the values of a gene by their mean, preprocesses and embeds all
cells and computes the metric by its component. All three are run in turn, in one process; ratios are medians over the
rounds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from pathlib import Path

import mudata
import numpy as np
import pandas as pd
import torch

import jamie
from jamie.core.context import Context
from jamie.core.evaluation import EmbeddedPair
from jamie.explain.explained_model import ExplainedModel
from jamie.explain.knockout.explainer import Knockout
from jamie.explain.removal import background_values
from jamie.metrics.label_transfer_accuracy import LabelTransferAccuracy

SETTINGS = {"modalities.rna.layer": "log1p_cpm", "modalities.ephys.layer": "raw", "evaluate.holdout": {"fraction": 0}}
SHOWN, WITHIN = 14, 20  # genes of the paper's figure, and first ones of the screened knock-out that are to hold them
STEP = 1 / 1208  # of the metric


def plain(subject: ExplainedModel) -> pd.Series:
    """Label transfer accuracy without each gene, by preprocessing and embedding all cells anew."""
    data, split = subject.dataset.modalities, subject.split
    X, features = data["rna"].input.X, data["rna"].input.features
    mean = background_values(X[split.train["rna"]], "mean")
    labels = {m: one.labels("cell_type") for m, one in data.items()}
    truth = subject.dataset.truth.between("rna", "ephys").matrix
    target = subject.embed("ephys", subject.scores("ephys"))
    values = {}
    for j, gene in enumerate(features):
        without = X.copy()
        without[:, j] = mean[j]
        source = subject.embed("rna", subject.preprocess("rna", without))
        pair = EmbeddedPair("rna", "ephys", source, target, truth, labels["rna"], labels["ephys"])
        values[gene] = LabelTransferAccuracy().score(pair).value
    return pd.Series(values)


def knocked_out(subject: ExplainedModel, exact: int | None) -> pd.DataFrame:
    """Table of the explainer."""
    found = Knockout(cells="all", exact=exact).explain(subject, Context())
    return found.tables["features"].set_index("feature")


def main() -> None:
    """Print times, ratios and how the numbers agree."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--exact", type=int, default=100)
    arguments = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    cells = mudata.read_h5mu(Path(os.environ["JAMIE_DATA"]) / "patchseq_motor.h5mu")
    prepared = (model := jamie.JAMIE("default", SETTINGS, labels=["cell_type"]).fit(cells))._fitted.prepared
    subject = ExplainedModel(model.model, prepared.dataset, prepared.split, Context())
    subject.scores("rna"), subject.scores("ephys")  # kept, as a run has them
    ways = {
        "plain": lambda: plain(subject),
        "exact": lambda: knocked_out(subject, None),
        "screened": lambda: knocked_out(subject, arguments.exact),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(arguments.rounds):
        found = {}
        for name, way in ways.items():
            started = time.perf_counter()
            found[name] = way()
            seconds[name].append(time.perf_counter() - started)
        medians = ", ".join(f"{name} {statistics.median(times):.1f} s" for name, times in seconds.items())
        print(f"{len(found['plain'])} genes: {medians}", flush=True)
    for name in ("exact", "screened"):
        ratio = statistics.median(a / b for a, b in zip(seconds["plain"], seconds[name], strict=True))
        print(f"{name} is {ratio:.1f} times faster than the plain way")
    report(**found)


def report(plain: pd.Series, exact: pd.DataFrame, screened: pd.DataFrame) -> None:
    """Print how the numbers agree."""
    computed = screened[screened["exact"]]
    for name, table in (("exact", exact), ("screened", computed)):
        apart = (table["value"] - plain[table.index]).abs()
        print(f"{name}: {len(table)} values computed, at most {apart.max():.1e} from the plain way")
    lost = (-exact["change"] / STEP).round().astype(int)
    first = exact.index[:SHOWN]
    print(
        f"cells lost by the first {SHOWN}: {list(lost[first])}; genes with as many lost as the last of these: "
        f"{int((lost == lost[first].min()).sum())}, and more: {int((lost > lost[first].min()).sum())}"
    )
    print(f"of the first {SHOWN} of all, {int(first.isin(screened.index[:WITHIN]).sum())} are among the first {WITHIN}")
    tied = lost.index[lost >= lost[first].min()]
    print(f"of all {len(tied)} that lose as many, {int(tied.isin(computed.index).sum())} were computed")
    agree = np.corrcoef(exact["estimate"], exact["change"])[0, 1]
    print(f"correlation of estimates with changes over all genes: {agree:.3f}")


if __name__ == "__main__":
    main()
