"""Figures measured elsewhere on the same cells: mean correlation on the 20 % held out, 100 components for ridge."""

import os
from itertools import permutations
from pathlib import Path

import mudata
import numpy as np
import pandas as pd
import pytest

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Correspondences
from jamie.core.data import Block, Cells, View
from jamie.methods.knn import KNN
from jamie.methods.ridge import Ridge
from jamie.preprocess.chain import Chain
from jamie.preprocess.pca import PCA
from jamie.preprocess.standardize import Standardize

LAYERS = {
    "patchseq_motor": {"rna": "log1p_cpm", "ephys": "raw"},
    "citeseq_pbmc": {"rna": None, "protein": None},
    "snareseq_cortex": {"rna": None, "atac": None},
}
FIVE = KNN(k=5, distance="euclidean", n_components="all")
FIGURES = [
    (FIVE, "patchseq_motor", 0.496, 0.186),
    (FIVE, "citeseq_pbmc", 0.489, 0.209),
    (FIVE, "snareseq_cortex", 0.004, 0.006),
    (Ridge(), "patchseq_motor", 0.547, 0.250),
    (Ridge(), "citeseq_pbmc", 0.841, 0.283),
    (Ridge(), "snareseq_cortex", 0.038, 0.104),
]


def correlation(measured, imputed):
    """Mean over the features that vary; 0 for one that is imputed as a constant."""
    varies = measured.std(axis=0) > 0
    a, b = (v[:, varies].astype(np.float64) - v[:, varies].mean(axis=0) for v in (measured, imputed))
    size = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    return float(np.divide((a * b).sum(axis=0), size, out=np.zeros_like(size), where=size > 0).mean())


def load(name, *, components):
    """Training cells, and of the test cells the scores, the measured values and the way back to them."""
    folder = Path(os.environ.get("JAMIE_DATA", "absent"))
    if not (folder / "splits" / f"{name}.csv").is_file():
        pytest.skip(f"JAMIE_DATA does not name a folder with {name}.h5mu and its split")
    mdata = mudata.read_h5mu(folder / f"{name}.h5mu")
    test = pd.read_csv(folder / "splits" / f"{name}.csv")["order_0"].to_numpy() < mdata.n_obs // 5
    views, held_out = {}, {}
    for m, layer in LAYERS[name].items():
        X = np.asarray(mdata[m].layers[layer] if layer else mdata[m].X, np.float32)
        chain = Chain([Standardize(), *([PCA(n_components=components)] if components else [])], m)
        scores = chain.fit(X[~test], mdata[m].obs[~test], mdata[m].var_names).transform(X, mdata[m].obs)
        views[m] = View(m, Block(X[~test], mdata[m].var_names), scores[~test])
        held_out[m] = scores[test], X[test], chain.inverse_transform
    n = int((~test).sum())
    known = Correspondence.from_pairs(np.arange(n), np.arange(n), (n, n))
    targets = {m: v.scores for m, v in views.items()}
    return Cells(views, targets, Correspondences(dict.fromkeys(views, n), {tuple(views): known})), held_out


@pytest.mark.parametrize(("method", "name", "forward", "back"), FIGURES)
def test_figures_of_others(method, name, forward, back):
    cells, held_out = load(name, components=100 if method is not FIVE else None)
    fitted = method.fit(cells, Context())
    for (a, b), expected in zip(permutations(held_out, 2), (forward, back), strict=True):
        (scores, _, _), (_, measured, in_units) = held_out[a], held_out[b]
        imputed = in_units(fitted.impute(scores, a, b).mean.astype(np.float32))
        assert correlation(measured, imputed) == pytest.approx(expected, abs=0.02)
