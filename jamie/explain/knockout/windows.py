"""Knock-out of peaks in genomic windows around a gene, and tests between windows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.context import Context
from jamie.core.data import Block
from jamie.core.errors import DataError
from jamie.explain.knockout.changes import scores_without_each
from jamie.explain.knockout.perturbed_metrics import PerturbedImputation
from jamie.explain.removal import FeatureGroups, Removal

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

_MIN_VALUES = 2  # of a window, for a t-test


def knock_out_windows(
    removal: Removal, metric: PerturbedImputation, max_peaks: int, whole: bool, context: Context
) -> dict[str, pd.DataFrame]:
    """Impute genes without peaks in windows around them.

    Parameters
    ----------
    removal
        Of peaks.
    metric
        Of the genes.
    max_peaks
        Largest number of peaks of a window that are removed, each by itself.
    whole
        Remove all peaks of a window at once instead.
    context
        For randomness and progress.

    Returns
    -------
    dict
        ``windows``: `target`, `window`, `feature`, `value` (correlation of the gene's imputed values with the values
        imputed before) and `change` (of their correlation with measured values). ``tests`` between windows, unless
        `whole`.
    """
    data = removal.subject.dataset.modalities
    peaks = genomic_coordinates(data[removal.modality].input, f"modality '{removal.modality}'")
    genes = _gene_coordinates(data[metric.target].target, list(metric.features), f"modality '{metric.target}'")
    generator = context.generator()
    around = {
        str(name): _window_groups(gene, peaks, max_peaks, generator, whole=whole) for name, gene in genes.iterrows()
    }
    total, done, tables = sum(len(groups) for groups, _ in around.values()), 0, []
    for gene, (groups, windows) in around.items():
        of_gene = metric.of_feature(gene)
        value, similarity = scores_without_each(removal, groups.columns, of_gene, context, done, total).T
        done += len(groups)
        columns = {"target": gene, "window": windows, "feature": groups.names, "n_features": groups.sizes}
        tables.append(pd.DataFrame({**columns, "value": similarity, "change": value - of_gene.baseline}))
    table = pd.concat(tables, ignore_index=True)
    return {"windows": table} if whole else {"windows": table, "tests": window_tests(table)}


def _window_groups(
    gene: pd.Series, peaks: pd.DataFrame, max_peaks: int, generator: np.random.Generator, *, whole: bool
) -> tuple[FeatureGroups, NDArray[np.object_]]:
    """Peaks by window around a gene, and the window (u,) of each group: single peaks, or a window's at once."""
    window = windows_around(gene, peaks)
    columns = {name: np.flatnonzero(window == name) for name in WINDOWS}
    columns = {name: index for name, index in columns.items() if len(index)}
    names = np.array(list(columns), dtype=object)
    if whole:
        return FeatureGroups(pd.Index(names), tuple(columns.values())), names
    drawn = [
        np.sort(generator.choice(index, max_peaks, replace=False)) if len(index) > max_peaks else index
        for index in columns.values()
    ]
    single = FeatureGroups.singletons(peaks.index, np.concatenate([np.empty(0, np.intp), *drawn]))
    return single, np.repeat(names, [len(index) for index in drawn])


def _gene_coordinates(block: Block, targets: list[str], where: str) -> pd.DataFrame:
    """Coordinates of the target genes.

    Raises
    ------
    DataError
        If a gene has none.
    """
    table = genomic_coordinates(block, where).loc[targets]
    lacking = table.index[table.isna().any(axis=1)]
    if len(lacking):
        raise DataError(
            f"expected chrom, start and end of each target gene, found none for {', '.join(lacking[:5])}",
            where=where,
            fix="fill in their rows of var, or choose other genes",
        )
    return table


def window_tests(table: pd.DataFrame) -> pd.DataFrame:
    """One-tailed Welch's t-tests between adjacent windows: removing nearer peaks lowers `value` more.

    Parameters
    ----------
    table
        `target`, `window` and `value` of each peak.

    Returns
    -------
    DataFrame
        `target`, `window_a` (nearer), `window_b`, `n_a`, `n_b`, `t`, `p_value`; NaN if a window has fewer than two
        values, or neither varies. With several targets, the tests of ``all`` together come last.
    """
    by_target: list[tuple[Any, pd.DataFrame]] = list(table.groupby("target", sort=False))
    if len(by_target) > 1:
        by_target.append(("all", table))
    rows = [(target, *test) for target, part in by_target for test in _adjacent_tests(part)]
    return pd.DataFrame(rows, columns=["target", "window_a", "window_b", "n_a", "n_b", "t", "p_value"])


def _adjacent_tests(part: pd.DataFrame) -> Iterator[tuple[str, str, int, int, float, float]]:
    from scipy.stats import ttest_ind_from_stats

    values = {name: part["value"][part["window"] == name].to_numpy(float) for name in WINDOWS}
    present = {name: of_window for name, of_window in values.items() if len(of_window)}
    for (near, a), (far, b) in pairwise(present.items()):
        t, p = float("nan"), float("nan")
        if min(len(a), len(b)) >= _MIN_VALUES and (np.ptp(a) > 0 or np.ptp(b) > 0):
            statistics = [number for x in (a, b) for number in (x.mean(), x.std(ddof=1), len(x))]
            test = ttest_ind_from_stats(*statistics, equal_var=False, alternative="less")
            t, p = float(test.statistic), float(test.pvalue)
        yield near, far, len(a), len(b), t, p


def genomic_coordinates(block: Block, where: str) -> pd.DataFrame:
    """(p, 3) chrom, start and end of each feature, missing if they are unknown.

    They are columns of var (`chrom`, `chr` or `chromosome`; `start`; `end`), or parts of names such as
    ``chr1:100-200``.

    Raises
    ------
    DataError
        If there are neither.
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
            "expected columns chrom, start, end in var, or names such as chr1:100-200, found columns "
            f"{', '.join(map(str, var.columns[:10])) or '(none)'} and names such as '{block.features[0]}'",
            where=where,
            fix="add the columns to var of this modality before the run; genomic windows need them",
        )
    return table


def windows_around(gene: Any, peaks: pd.DataFrame) -> NDArray[np.object_]:
    """(p,) the window of `WINDOWS` that each feature is in, None if its coordinates are unknown.

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
