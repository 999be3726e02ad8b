"""Types that the inferers share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.floating]
Index: TypeAlias = NDArray[np.int64]
Pairs: TypeAlias = "tuple[Index, Index]"  # rows and columns of pairs of cells
Diagnostics: TypeAlias = Mapping[str, float | int | bool | str]
