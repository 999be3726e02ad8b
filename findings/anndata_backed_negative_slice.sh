#!/usr/bin/env bash
# A slice with two negative bounds of a backed sparse AnnData holds the values of other cells.
#
# Versions: anndata 0.12.19, h5py 3.16.0, scipy 1.17.1, numpy 2.4.6, pandas 2.3.3, zarr 3.1.6; Python 3.11.
# Expected: backed[-10:-5].to_memory() is what memory[-10:-5] is: cells 50 to 54, each with its own values.
# Found:    it has the names of cells 50 to 54 and the values of cells 51 to 55, without an error or a warning, so
#           that annotations belong to other cells than values. A dense matrix is sliced rightly.
# Seen:     names c50 c51 c52 c53 c54, values 51 52 53 54 55
# Instead:  give positions, backed[np.arange(n)[-10:-5]], as shown at the end.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet anndata==0.12.19 h5py==3.16.0 scipy==1.17.1 numpy==2.4.6 pandas==2.3.3 zarr==3.1.6

venv/bin/python -W error - <<'PYTHON'
import sys

import anndata
import numpy as np
from scipy import sparse

n = 60
values = np.arange(n, dtype=np.float32)[:, None] + np.zeros((1, 3), np.float32)  # each cell's value is its number
adata = anndata.AnnData(sparse.csr_matrix(values))
adata.obs_names = [f"c{i}" for i in range(n)]
adata.write_h5ad("cells.h5ad")
backed = anndata.read_h5ad("cells.h5ad", backed="r")


def seen(part):
    part = part.to_memory()
    return list(part.obs_names), part.X.toarray()[:, 0].astype(int).tolist()


names, found = seen(backed[-10:-5])
print("names", *names, "values", *found)
assert seen(backed[np.arange(n)[-10:-5]]) == (names, [50, 51, 52, 53, 54]), "positions no longer give the right cells"
if (names, found) != ([f"c{i}" for i in range(50, 55)], [51, 52, 53, 54, 55]):
    sys.exit("the behaviour has changed: see what was found above")
PYTHON
