"""Data in a page: compressed, in letters that need no escaping in HTML."""

from __future__ import annotations

import base64
import gzip
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jamie.runs.directory import json_text

STEPS, MISSING = 254, 255  # of a value as one byte
TAIL = 1.0  # percent of the values at either end that share the last colour
COORDINATES = 65_535


def packed(value: Any) -> str:
    """Return plain values as base64 of gzipped JSON; ``unpack`` of page.js reads it."""
    return _compressed(json_text(value).encode())


@cache
def plotly_script() -> str:
    """Return plotly.js, packed in the same way."""
    from plotly.offline import get_plotlyjs

    return _compressed(get_plotlyjs().encode())


def _compressed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, 6, mtime=0)).decode()


def array(values: NDArray[Any]) -> dict[str, str]:
    """Return the bytes of numbers, for a typed array."""
    little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    return {
        "type": values.dtype.kind + str(8 * values.dtype.itemsize),
        "data": base64.b64encode(little.tobytes()).decode(),
    }


def as_bytes(values: NDArray[np.floating]) -> dict[str, Any]:
    """Return values (n,) as one byte each, between percentiles that hold nearly all; NaN is 255.

    Returns
    -------
    dict
        ``values``, and ``low`` and ``high``, for which 0 and 254 stand.
    """
    values = np.asarray(values, np.float64)
    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, [TAIL, 100 - TAIL]) if len(finite) else (0.0, 0.0)
    if not low < high:  # such as if nearly all are 0
        low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 0.0)
    steps = np.clip((values - low) / ((high - low) or 1.0), 0, 1) * STEPS
    codes = np.where(np.isfinite(values), np.round(np.nan_to_num(steps)), MISSING).astype(np.uint8)
    return {"values": array(codes), "low": float(low), "high": float(high)}


def coordinates(layout: NDArray[np.floating]) -> dict[str, Any]:
    """Return positions (n, 2) as two bytes for each coordinate, in one scale for both; NaN is 65535."""
    layout = np.asarray(layout, np.float64)
    known = np.isfinite(layout).all(axis=1)
    low = layout[known].min(axis=0) if known.any() else np.zeros(2)
    span = float((layout[known] - low).max()) if known.any() else 1.0
    codes = np.round(np.nan_to_num((layout - low) / (span or 1.0)) * (COORDINATES - 1)).clip(0, COORDINATES - 1)
    codes[~known] = COORDINATES
    x, y = codes.astype(np.uint16).T
    return {"x": array(x), "y": array(y)}
