"""Labels, batches and donors as text: the one conversion that every stage uses."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MOST_CLASSES = 20  # different numbers that are not whole: more are measured on a scale, and are no classes

_WHOLE = re.compile(r"([+-]?\d+)\.0+")


def as_labels(values: pd.Series) -> NDArray[np.object_]:
    """(n,) values of a column of obs as text, None where there is none.

    Each value is converted by itself, so that the same label is the same text whatever else its column holds and
    however it is stored: 1, 1.0, ``"1"`` and ``"1.0"`` are ``"1"``; True and ``"True"`` are ``"True"``.
    """
    codes, distinct = pd.factorize(values)  # -1 where there is none
    return np.array([*map(_as_text, distinct), None], dtype=object)[codes]


def label_series(values: pd.Series) -> pd.Series:
    """(n,) the same, under the names of the cells."""
    return pd.Series(as_labels(values), index=values.index, name=values.name, dtype=object)


def sort_labels(labels: Iterable[Any]) -> list[str]:
    """Return the distinct labels in natural order (T2 before T10), without missing ones."""
    distinct = {str(label) for label in pd.unique(pd.Series(list(labels), dtype=object).dropna())}
    parts = {label: [part for part in re.split(r"(\d+)", label) if part] for label in distinct}
    return sorted(
        distinct, key=lambda label: [(not s.isdigit(), int(s) if s.isdigit() else 0, s) for s in parts[label]]
    )


def is_continuous(values: pd.Series) -> bool:
    """Whether a column holds measurements, such as pseudotime, and no classes: many numbers that are not whole."""
    if not pd.api.types.is_float_dtype(values.dtype):
        return False
    distinct = np.asarray(values.dropna().unique(), np.float64)
    return len(distinct) > MOST_CLASSES and bool((distinct % 1 != 0).any())


def _as_text(value: Any) -> str:
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    whole = _WHOLE.fullmatch(text)
    return whole[1] if whole else text
