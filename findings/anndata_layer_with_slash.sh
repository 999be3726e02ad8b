#!/usr/bin/env bash
# An AnnData with a slash in a layer's name is written to HDF5, and can then not be read.
#
# Versions: anndata 0.12.19, h5py 3.16.0, numpy 2.4.6, pandas 2.3.3, zarr 3.1.6; Python 3.11.
# Expected: an error before anything is written, or a file that reads back; columns of obs with such names do.
# Found:    write_h5ad ends well, with a FutureWarning that slashes "will be disallowed". HDF5 takes the slash for a
#           group in a group, so that reading finds a mapping where it expects a matrix, and the whole file is refused.
# Seen:     written, FutureWarning; read: AttributeError: 'dict' object has no attribute 'shape'
# Instead:  rename the layer before writing; the values of a file that was written lie at /layers/log/scaled for h5py.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet anndata==0.12.19 h5py==3.16.0 numpy==2.4.6 pandas==2.3.3 zarr==3.1.6

venv/bin/python - <<'PYTHON'
import sys
import warnings

import anndata
import h5py
import numpy as np

adata = anndata.AnnData(np.ones((4, 2), np.float32))
adata.obs["CD4/CD8"] = 1.5
adata.write_h5ad("column.h5ad")
assert anndata.read_h5ad("column.h5ad").obs["CD4/CD8"].eq(1.5).all(), "a column of obs no longer reads back"

adata.layers["log/scaled"] = adata.X
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    adata.write_h5ad("layer.h5ad")
print("written,", *{warning.category.__name__ for warning in told})
try:
    anndata.read_h5ad("layer.h5ad")
    found = "no error"
except Exception as error:
    found = f"{type(error).__name__}: {error}"
print("read:", found)
with h5py.File("layer.h5ad") as file:
    assert file["layers/log/scaled"].shape == (4, 2), "the values lie elsewhere"
if not found.startswith("AttributeError: 'dict' object has no attribute 'shape'"):
    sys.exit("the behaviour has changed: see what was found above")
PYTHON
