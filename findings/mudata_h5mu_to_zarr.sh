#!/usr/bin/env bash
# What MuData reads from an .h5mu file it does not write to Zarr, and a good store of that name is lost on the way.
#
# Versions: mudata 0.4.1, anndata 0.13.4, zarr 3.4.2, h5py 3.16.0, numpy 2.5.5, pandas 3.1.1; Python 3.13.
# Expected: read_h5mu("m.h5mu").write_zarr("m.zarr") converts the file; where it cannot, what stands there stays.
# Found:    h5py gives the attribute `axis` as numpy.int64, MuData keeps it so, and Zarr writes its attributes as JSON,
#           which knows no numpy numbers. By then the modalities have replaced those of the former store, whose
#           attributes are gone: it does not read as MuData any more. The same object made in memory is written.
# Seen:     write: TypeError: Object of type int64 is not JSON serializable
#           read:  TypeError: AnnData.__init__() got an unexpected keyword argument 'varmap'. Did you mean 'varm'?
# Instead:  write MuData(mdata.mod, axis=int(mdata.axis)), as shown at the end, to a new name.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3.13}" -m venv venv
venv/bin/pip install --quiet mudata==0.4.1 anndata==0.13.4 zarr==3.4.2 h5py==3.16.0 numpy==2.5.5 pandas==3.1.1

venv/bin/python - <<'PYTHON'
import sys
import warnings

import anndata
import mudata
import numpy as np

warnings.simplefilter("ignore")


def outcome(call, *arguments):
    try:
        return str(call(*arguments))
    except Exception as error:
        return f"{type(error).__name__}: {error}"


mdata = mudata.MuData({name: anndata.AnnData(np.ones((5, 2), np.float32)) for name in ("rna", "protein")})
mdata.write_h5mu("m.h5mu")
mdata.write_zarr("m.zarr")
assert mudata.read_zarr("m.zarr").shape == (5, 4), "the store was not good to begin with"

again = mudata.read_h5mu("m.h5mu")
found = outcome(again.write_zarr, "m.zarr"), outcome(mudata.read_zarr, "m.zarr")
print("write:", found[0], "\nread: ", found[1])
mudata.MuData(again.mod, axis=int(again.axis)).write_zarr("new.zarr")
assert mudata.read_zarr("new.zarr").shape == (5, 4), "a MuData made anew is no longer written"
if not (found[0].endswith("int64 is not JSON serializable") and found[1].startswith("TypeError: AnnData.__init__()")):
    sys.exit("the behaviour has changed: see what was found above")
PYTHON
