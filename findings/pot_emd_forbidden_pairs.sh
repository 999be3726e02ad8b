#!/usr/bin/env bash
# ot.emd with forbidden pairs at a very large cost returns a plan that is far from optimal, as optimal.
#
# Versions: POT 0.9.7.post1, scipy 1.17.1, numpy 2.4.6; Python 3.11.
# Expected: pairs that must not be matched get a cost above all others (1e300, say), and the plan then is the optimal
#           one of the pairs that are left, or a warning comes.
# Found:    from about 1e16 times the other costs on, the forbidden pairs are avoided, but the others are matched as if
#           their costs did not count: beside such numbers they are rounded off. log["warning"] is None. A cost of inf
#           gives a plan of zeros, of cost 0.0, and a warning that blames the marginals.
# Seen:     ratio to the optimal cost: 1.00 with 1e6, 2.12 with 1e300 (worst of 20 draws); inf: mass 0.0, cost 0.0
# Instead:  price forbidden pairs a few orders of magnitude above the largest cost, and check the mass of the plan.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet POT==0.9.7.post1 scipy==1.17.1 numpy==2.4.6

venv/bin/python - <<'PYTHON'
import sys
import warnings

import numpy as np
import ot
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

n = 20
cells = np.full(n, 1 / n)


def ratio(price, seed):
    """Cost of the plan beside the optimal one, nothing being matched that is forbidden."""
    generator = np.random.default_rng(seed)
    cost = cdist(generator.normal(size=(n, 2)), generator.normal(size=(n, 2)))
    forbidden = (generator.random((n, n)) < 0.3) & ~np.eye(n, dtype=bool)
    optimal = cost[linear_sum_assignment(np.where(forbidden, 1e6, cost))].sum() / n
    plan, log = ot.emd(cells, cells, np.where(forbidden, price, cost), log=True)
    assert log["warning"] is None and np.isclose(plan.sum(), 1) and plan[forbidden].sum() == 0, "POT now objects"
    return (plan * cost).sum() / optimal


moderate, large = (max(ratio(price, seed) for seed in range(20)) for price in (1e6, 1e300))
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    plan, log = ot.emd(cells, cells, np.where(np.eye(n)[::-1] > 0, np.inf, 1.0), log=True)
print(f"ratio {moderate:.2f} with 1e6, {large:.2f} with 1e300; inf: mass {plan.sum()}, cost {log['cost']}")
print(*{str(warning.message) for warning in told})
if not (abs(moderate - 1) < 1e-6 and large > 1.5 and plan.sum() == 0 and log["cost"] == 0):
    sys.exit("the behaviour has changed: see what was found above")
PYTHON
