"""A run of a few cells, whose results figures are drawn of."""

import matplotlib
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from mudata import MuData

from jamie.data.assemble import mudata_conventions

matplotlib.use("Agg")

SPEC = """
data: {simulate_branch: {}}
labels: [cell_type]
modalities:
  rna: {preprocess: [standardize]}
  protein: {layer: scaled, preprocess: [standardize]}
evaluate: {intervals: {level: 0.9}}
"""
TYPES = ["B", "NK", "T"]


@pytest.fixture(autouse=True)
def closed():
    """Figures that pyplot keeps are closed."""
    yield
    from matplotlib import pyplot

    pyplot.close("all")


@pytest.fixture
def mdata():
    """60 cells in two modalities, the last 30 of which were held out, with all that a run leaves."""
    generator = np.random.default_rng(0)
    cells, n = [f"cell{i}" for i in range(60)], 60
    modalities = {}
    for name, p in (("rna", 5), ("protein", 3)):
        obs = pd.DataFrame({"cell_type": TYPES * 20, "depth": generator.random(n)}, index=cells)
        obs["jamie_split"] = np.where(np.arange(n) < 30, "train", "held_out")
        X = generator.normal(size=(n, p)).astype(np.float32)
        adata = AnnData(X, obs=obs, var=pd.DataFrame(index=[f"{name}{i}" for i in range(p)]))
        adata.obsm.update({key: generator.normal(size=(n, 2)) for key in ("X_jamie_umap", "X_data_umap", "X_jamie")})
        modalities[name] = adata
    modalities["protein"].layers["scaled"] = 10 * modalities["protein"].X
    modalities["protein"].var["imputability_from_rna"] = [0.1, 0.5, 0.9]
    with mudata_conventions():
        mdata = MuData(modalities)
    mdata.uns["jamie"] = {"spec": SPEC, "seed": 0, "version": "0", **tables()}
    return mdata


def tables():
    """Tables of a run, as a MuData carries them."""
    stages = pd.DataFrame({"stage": ["data", "training"], "seconds": [1.0, 8.0], "peak_memory_mib": [512.0, 1024.0]})
    methods = pd.DataFrame({"method": ["jamie", "knn"], "component": ["jamie", "knn"], "status": ["done", "done"]})
    methods = methods.assign(reason="", inductive=True, uses_labels=False, embeds=True, imputes=True)
    seconds = {"preparation_seconds": [1.0, 2.0], "training_seconds": [8.0, 0.5]}
    methods = methods.assign(**seconds, preparation_mib=100.0, training_mib=[300.0, 200.0])
    history = pd.DataFrame({"member": [0, 0, 1, 1], "epoch": [0, 1, 0, 1], "total": [4.0, 2.0, 5.0, 3.0]})
    history = history.assign(kl=[1.0, 2.0, 3.0, 4.0], validation=[3.0, 1.0, 4.0, 2.0])
    history = history.assign(kappa=[0.0, 1.0, 0.0, 1.0], kept=[False, True, False, True])
    return {"metrics": metrics(), "features": features(), "methods": methods, "history": history, "stages": stages}


def metrics():
    """Scores of two methods in two scopes."""
    values = {("jamie", "foscttm"): 0.1, ("jamie", "label_transfer_accuracy"): 0.9, ("knn", "foscttm"): 0.3}
    values |= {("knn", "label_transfer_accuracy"): 0.6, ("jamie", "pearson"): 0.5}
    rows = [
        {"metric": metric, "part": "", "value": value / (1 + (scope == "all")), "scope": scope, "method": method}
        for (method, metric), value in values.items()
        for scope in ("held_out_cells", "all")
    ]
    table = pd.DataFrame(rows).assign(source="rna", target="protein", label="", headline=True)
    return table.assign(higher_is_better=table["metric"] != "foscttm")


def features():
    """Scores of the features of protein, imputed from rna."""
    table = pd.DataFrame({"method": ["jamie"] * 3 + ["knn"] * 3, "feature": ["protein0", "protein1", "protein2"] * 2})
    table = table.assign(source="rna", target="protein", scope="held_out_cells")
    table["pearson"] = [0.9, 0.2, 0.5, 0.1, 0.3, 0.4]
    table["js_distance:B"] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    table["js_distance:T"] = [0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    return table


@pytest.fixture
def imputed(mdata):
    """Protein imputed from rna: measured values with errors of 1, and intervals of 2 to either side."""
    measured = mdata["protein"].layers["scaled"]
    errors = np.where(np.arange(60) % 2, 1.0, -1.0)[:, None]
    adata = AnnData((measured + errors).astype(np.float32), obs=mdata["rna"].obs, var=mdata["protein"].var)
    adata.layers.update({"sd": np.ones((60, 3)), "lower": adata.X - 2, "upper": adata.X + 2})
    adata.layers["knn"] = np.random.default_rng(1).normal(size=(60, 3))
    adata.uns["jamie"] = {"source": "rna", "target": "protein"}
    return adata[np.random.default_rng(2).permutation(60)].copy()  # a file may have another order
