"""How well Shapley values rank the true regulators of simulated genes, beside marginal correlation.

    OMP_NUM_THREADS=1 python tests/benchmarks/regulators.py --latents 128
    OMP_NUM_THREADS=1 python tests/benchmarks/regulators.py --components 64 --latents 32

`simulate_regulatory` with its default sizes; the preset `default` with other preprocessing (`standardize` alone, or pca
after it) and number of latents, a fifth of the cells held out. Printed is the mean part of a gene's regulators, five at
most, that are among its ten peaks of largest mean absolute value.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import jamie
from jamie.core.context import Context
from jamie.data.readers.simulate_regulatory import SimulateRegulatory

TOP = 10


def found_of(ranked: list[str], regulators: set[str]) -> float:
    """Part of the regulators among the first peaks."""
    return len(regulators & set(ranked[:TOP])) / len(regulators)


def marginal(mdata: object, train: pd.Index) -> pd.DataFrame:
    """Absolute correlation (peaks, genes) over the training cells."""
    x, y = (standardized(mdata[name][train].X) for name in ("atac", "rna"))
    return pd.DataFrame(np.abs(x.T @ y) / len(x), mdata["atac"].var_names, mdata["rna"].var_names)


def standardized(X: NDArray[np.float32]) -> NDArray[np.float64]:
    """Features of mean 0 and standard deviation 1."""
    return (X - X.mean(axis=0)) / (X.std(axis=0) + 1e-9).astype(np.float64)


def main() -> None:
    """Simulate, train, explain, and print how many regulators are found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--components", type=int, help="of pca; none by default")
    parser.add_argument("--latents", type=int, default=128)
    parser.add_argument("--ensemble", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0, help="of the simulation and of the training")
    parser.add_argument("--genes", type=int, default=200)
    parser.add_argument("--cells", type=int, default=50)
    given = parser.parse_args()
    mdata = SimulateRegulatory(seed=given.seed).read(Context())
    links = mdata.uns["truth"]["peak_links"].astype({"gene": str, "peak": str})
    regulators = links.groupby("gene")["peak"].agg(set).iloc[: given.genes]
    pca = [] if given.components is None else [{"pca": {"n_components": given.components, "whitening": 0.5}}]
    settings = {
        "modalities.*.preprocess": ["standardize", *pca],
        "training.ensemble": given.ensemble,
        "evaluate.holdout.fraction": 0.2,
    }
    started = time.monotonic()
    model = jamie.JAMIE("default", settings, latent_dim=given.latents, seed=given.seed).fit(mdata)
    trained = time.monotonic() - started
    names = list(regulators.index)
    found = model.explain(
        mdata, "shap", source="atac", target="rna", features=names, cells=given.cells, background=given.cells, top=TOP
    )
    top = found.tables["top"].groupby("target")["feature"].agg(list)
    held_out = model.to_mudata(mdata)["atac"].obs["jamie_split"] == "held_out"
    correlation = marginal(mdata, held_out.index[~held_out])
    by_shap = np.array([found_of(top[gene], regulators[gene]) for gene in names])
    by_correlation = np.array(
        [found_of(list(correlation[gene].nlargest(TOP).index), regulators[gene]) for gene in names]
    )
    better, worse = (by_shap > by_correlation).sum(), (by_shap < by_correlation).sum()
    print(
        f"{100 * by_shap.mean():.1f} % of the regulators by shap, {100 * by_correlation.mean():.1f} % by correlation "
        f"({len(names)} genes: better for {better}, worse for {worse}); {trained:.0f} s of training, "
        f"{time.monotonic() - started - trained:.0f} s of explaining"
    )
    print(f"values miss the prediction by at most {100 * found.tables['additivity']['error'].max():.2g} % of its sd")
    print(model.metrics.query("metric == 'pearson'").to_string(index=False))


if __name__ == "__main__":
    main()
