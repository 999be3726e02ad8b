"""Coordinates of features on the genome, and their distance from a gene."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.data import Block
from jamie.core.errors import DataError

COLUMNS = ("chrom", "start", "end")
_CHROMOSOME = ("chrom", "chr", "chromosome", "seqnames")
_PEAK = re.compile(r"^(?P<chrom>[^:\s]+?)[:\-_](?P<start>\d+)[\-_](?P<end>\d+)$")

WINDOWS = {
    "gene body": 0,
    "10 kb": 10_000,
    "100 kb": 100_000,
    "1 Mb": 1_000_000,
    "same chromosome": np.inf,
    "genome-wide": np.nan,
}
"""Windows around a gene, the nearest first, by the largest distance from its body; they do not overlap."""


def genomic_coordinates(block: Block, where: str) -> pd.DataFrame:
    """(p, 3) chrom, start and end of each feature, missing where they are unknown.

    They are columns of var (`chrom`, `chr` or `chromosome`; `start`; `end`), or parts of names such as
    ``chr1:100-200``.

    Raises
    ------
    DataError
        Where there are neither.
    """
    var = pd.DataFrame(index=block.features) if block.var is None else block.var
    lower = {str(name).lower(): name for name in var.columns}
    chromosome = next((lower[name] for name in _CHROMOSOME if name in lower), None)
    if chromosome is not None and {"start", "end"} <= set(lower):
        table = pd.DataFrame({"chrom": var[chromosome], "start": var[lower["start"]], "end": var[lower["end"]]})
    else:
        table = pd.Series(block.features.astype(str)).str.extract(_PEAK)
    table = table.set_axis(block.features)
    for column in ("start", "end"):
        table[column] = pd.to_numeric(table[column], errors="coerce")
    table = table.assign(chrom=table["chrom"].astype("string").str.removeprefix("chr"))
    if not table.notna().all(axis=1).any():
        raise DataError(
            f"expected columns {', '.join(COLUMNS)} in var, or names such as chr1:100-200, found columns "
            f"{', '.join(map(str, var.columns[:10])) or '(none)'} and names such as '{block.features[0]}'",
            where=where,
            fix="add the columns to var of this modality before the run; genomic windows need them",
        )
    return table


def windows_around(gene: Any, peaks: pd.DataFrame) -> NDArray[np.object_]:
    """(p,) the window of `WINDOWS` that each feature is in, None where its coordinates are unknown.

    Parameters
    ----------
    gene
        Row of `genomic_coordinates`.
    peaks : (p, 3)
        Coordinates of the features.
    """
    same_chromosome = (peaks["chrom"] == gene["chrom"]).fillna(False).to_numpy(bool)
    gap = np.maximum(peaks["start"] - gene["end"], gene["start"] - peaks["end"]).clip(lower=0).to_numpy(float)
    names = np.array(list(WINDOWS), dtype=object)
    limits = np.array([limit for limit in WINDOWS.values() if np.isfinite(limit)])
    windows = names[np.searchsorted(limits, gap, side="left")]  # beyond the last of them: the same chromosome
    windows[~same_chromosome] = names[-1]
    windows[~peaks.notna().all(axis=1).to_numpy()] = None
    return windows
