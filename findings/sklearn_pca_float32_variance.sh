#!/usr/bin/env bash
# PCA of single-precision values far from zero reports variances that are not there.
#
# Versions: scikit-learn 1.9.1, scipy 1.17.1, numpy 2.4.6; Python 3.11.
# Expected: 2,000 cells of 20 independent channels (mean 30,000, standard deviation 50, as intensities of a 16-bit
#           camera) have a first component of variance 3,003 in float32 too, the precision that AnnData keeps.
# Found:    with the solver that PCA chooses here (covariance_eigh) it is several times too large, and the component an
#           artefact of rounding: products of the uncentred values are summed, and that of the means is subtracted from
#           them. No warning. In float64, or with svd_solver="full", it is right.
# Seen:     float32 auto 21203, float32 full 3003, float64 auto 3003 (the first digits depend on the processor)
# Instead:  centre first (values - values.mean(axis=0, dtype=float)), or convert to float64.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6

venv/bin/python -W error - <<'PYTHON'
import sys

import numpy as np
from sklearn.decomposition import PCA

values = np.random.default_rng(0).normal(30_000, 50, size=(2000, 20)).astype(np.float32)


def first(values, solver="auto"):
    return float(PCA(5, svd_solver=solver).fit(values).explained_variance_[0])


auto, full, double = first(values), first(values, "full"), first(values.astype(float))
print(f"float32 auto {auto:.0f}, float32 full {full:.0f}, float64 auto {double:.0f}")
assert abs(full / double - 1) < 1e-3, "the full solver no longer gives what float64 gives"
if auto < 2 * double:
    sys.exit("the behaviour has changed: see what was found above")
PYTHON
