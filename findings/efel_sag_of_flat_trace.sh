#!/usr/bin/env bash
# eFEL gives sag ratios to sweeps in which nothing happens.
#
# Versions: eFEL 5.7.34, neo 0.14.6, numpy 2.4.6; Python 3.11.
# Expected: a sweep of constant voltage has no voltage deflection, and so no sag ratio (None), whatever its level.
# Found:    the baseline is a mean whose rounding differs from that of the steady state by some 1e-13 mV, and sag_ratio2
#           is the quotient of two such differences: any number, without a warning. Levels that are exact in binary
#           (-70, -65) rightly give None, so that cells with and without a sag ratio cannot be told from those measured.
# Seen:     -70.0 None, -70.1 3.71, -68.3 -0.73, -61.7 -2.04
# Instead:  leave sag ratios out where |voltage_deflection| is below the noise of the recording (0.1 mV, say).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet efel==5.7.34 neo==0.14.6 numpy==2.4.6

venv/bin/python - <<'PYTHON'
import sys

import efel
import numpy as np

time = np.arange(0, 1000, 0.1)  # ms


def features(level):
    """Sag ratio and voltage deflection of a sweep at one level (mV)."""
    sweep = {"T": time, "V": np.full_like(time, level), "stim_start": [200.0], "stim_end": [700.0]}
    found = efel.get_feature_values([sweep], ["sag_ratio2", "voltage_deflection"])[0]
    sag, deflection = found["sag_ratio2"], found["voltage_deflection"]
    return None if sag is None else round(float(sag[0]), 2), float(deflection[0])


found = {level: features(level) for level in (-70.0, -70.1, -68.3, -61.7)}
print({level: sag for level, (sag, _) in found.items()})
assert all(abs(deflection) < 1e-9 for _, deflection in found.values()), "a flat sweep is now said to be deflected"
if found[-70.0][0] is not None or any(found[level][0] is None for level in (-70.1, -68.3, -61.7)):
    sys.exit("the behaviour has changed: see what was found above")
PYTHON
