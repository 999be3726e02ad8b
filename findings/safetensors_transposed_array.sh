#!/usr/bin/env bash
# safetensors.numpy stores an array that does not lie row by row in memory with its values in other places.
#
# Versions: safetensors 0.8.0, numpy 2.4.6, pandas 2.3.3; Python 3.11.
# Expected: load_file gives what save_file was given, or save_file refuses it.
# Found:    the bytes are stored in the order in which they lie in memory, under the shape of the array, without an
#           error or a warning. The values of a DataFrame lie column by column, so a table is stored scrambled.
# Seen:     saved [[0, 3], [1, 4], [2, 5]], loaded [[0, 1], [2, 3], [4, 5]]
# Instead:  save numpy.ascontiguousarray(array), as shown at the end.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet safetensors==0.8.0 numpy==2.4.6 pandas==2.3.3

venv/bin/python -W error - <<'PYTHON'
import sys

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file

table = pd.DataFrame({"first": [0.0, 1.0, 2.0], "second": [3.0, 4.0, 5.0]}).to_numpy()


def there_and_back(array):
    save_file({"values": array}, "table.safetensors")
    return load_file("table.safetensors")["values"].astype(int).tolist()


found = there_and_back(table)
print("saved", table.astype(int).tolist(), "loaded", found)
assert there_and_back(np.ascontiguousarray(table)) == table.tolist(), "a contiguous copy is no longer stored rightly"
if found != [[0, 1], [2, 3], [4, 5]]:
    sys.exit("the behaviour has changed: see what was found above")
PYTHON
