"""Every registered component keeps the contract of its kind; a new one is checked without being named here.

Only those that read files are named, with the files that they are given, and those that need a package which is not
installed with jamie: without it they are left out.
"""

from __future__ import annotations

import atexit
import importlib.util
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import io, sparse

from jamie.builtins import load_registry
from jamie.data.assemble import mudata_conventions
from jamie.data.readers.anndata import AnnDataReader
from jamie.testing import parametrize_with_checks, toy


@cache
def folder() -> Path:
    """Return a folder that goes with the process: checks have no fixtures of pytest's."""
    made = tempfile.TemporaryDirectory(prefix="jamie-contracts-")
    atexit.register(made.cleanup)
    return Path(made.name)


def mudata_file():
    path = folder() / "toy.h5mu"
    with mudata_conventions():
        toy.mudata().write(path)
    return {"path": path}


def anndata_files():
    paths = {name: folder() / f"{name}.h5ad" for name in ("rna", "atac")}
    for name, path in paths.items():
        toy.mudata()[name].write_h5ad(path)
    return {"paths": paths}


def table_files():
    paths = {name: folder() / f"{name}.csv" for name in ("rna", "atac")}
    for name, path in paths.items():
        pd.DataFrame(toy.counts(name), toy.obs(name).index, toy.features(name)).to_csv(path)
    return {"paths": paths}


def readers_to_join():
    rna, atac = ({name: path} for name, path in anndata_files()["paths"].items())
    return {"readers": [AnnDataReader(paths=rna), AnnDataReader(paths=atac)]}


def tenx_folder():
    path = folder() / "filtered_feature_bc_matrix"
    path.mkdir(exist_ok=True)
    kinds = np.where(np.arange(toy.N_FEATURES["rna"]) < 12, "Gene Expression", "Antibody Capture")
    names = toy.features("rna")
    io.mmwrite(path / "matrix.mtx", sparse.csr_array(toy.counts("rna").T))
    pd.DataFrame([names, names, kinds]).T.to_csv(path / "features.tsv", sep="\t", header=False, index=False)
    (path / "barcodes.tsv").write_text("\n".join(toy.obs("rna").index) + "\n")
    return {"path": path}


def table_of_pairs():
    path = folder() / "pairs.csv"
    shared = toy.obs("rna").index.intersection(toy.obs("atac").index)
    pd.DataFrame({"rna": shared, "atac": shared, "confidence": 0.5}).to_csv(path, index=False)
    return {"path": path}


def matrix_with_names():
    path = folder() / "matrix.csv"
    rna, atac = toy.obs("rna").index, toy.obs("atac").index
    pd.DataFrame((rna.to_numpy()[:, None] == atac.to_numpy()).astype(float), rna, atac).to_csv(path)
    return {"paths": {"rna--atac": path}}


def table_of_genes():
    """Genes over some toy peaks each; two share a peak, two have the same peaks, one has none."""
    path = folder() / "genes.csv"
    starts, ends = [0, 2000, 2000, 9000, 90000], [3000, 8000, 8000, 18600, 99000]
    genes = pd.DataFrame({"gene": list("ABCDE"), "chrom": "chr1", "start": starts, "end": ends})
    genes.to_csv(path, index=False)
    return {"genes": path, "upstream": 0}


FILES = {
    ("preprocessor", "gene_activity"): table_of_genes,
    ("reader", "mudata"): mudata_file,
    ("reader", "anndata"): anndata_files,
    ("reader", "table"): table_files,
    ("reader", "tenx"): tenx_folder,
    ("reader", "join"): readers_to_join,
    ("pairing", "table"): table_of_pairs,
    ("pairing", "matrix"): matrix_with_names,
}


EXTRAS = {("method", "mofa"): "mofapy2"}


def components():
    for component in load_registry().components():
        extra = EXTRAS.get((component.kind, component.name))
        if extra and importlib.util.find_spec(extra) is None:
            continue
        files = FILES.get((component.kind, component.name))
        yield (component, files) if files else component


@parametrize_with_checks(components())
def test_contract(component, check):
    check(component)
