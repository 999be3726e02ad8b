"""Knock-out of peaks in genomic windows around a gene, and tests between windows."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.context import Context
from jamie.core.data import Block
from jamie.core.errors import DataError
from jamie.explain.knockout.changes import remove_each
from jamie.explain.knockout.genome import WINDOWS, coordinates, windows_around
from jamie.explain.knockout.measures import ImputedCorrelation
from jamie.explain.removal import Indices, Removal, Units

ALL_TARGETS = "all"
_FEWEST = 2  # values of a window that a t-test needs


def remove_windows(
    removal: Removal, measure: ImputedCorrelation, most: int, whole: bool, context: Context
) -> dict[str, pd.DataFrame]:
    """Impute genes without peaks in windows around them.

    Parameters
    ----------
    removal
        Of peaks.
    measure
        Of the genes.
    most
        Peaks of a window that are removed, each by itself.
    whole
        Remove all peaks of a window at once instead.
    context
        For randomness and progress.

    Returns
    -------
    dict
        ``windows``: `target`, `window`, `feature`, `value` (correlation of the gene's imputed values with those before)
        and `change` (of their correlation with measured values). ``tests`` between windows, unless these are `whole`.
    """
    data = removal.subject.dataset.modalities
    peaks = coordinates(data[removal.modality].input, f"modality '{removal.modality}'")
    targets = list(measure.features)
    genes = gene_coordinates(data[measure.target].target, targets, f"modality '{measure.target}'")
    generator = context.generator()
    around = {gene: window_units(genes, gene, peaks, most, generator, whole=whole) for gene in targets}
    total, done, tables = sum(len(units) for units, _ in around.values()), 0, []
    for gene, (units, windows) in around.items():
        of_gene = measure.only(gene)
        removed = remove_each(removal, units.columns, of_gene, context, done, total)
        done += len(units)
        columns = {"target": gene, "window": windows, "feature": units.names, "n_features": units.sizes}
        tables.append(pd.DataFrame({**columns, "value": removed.likeness, "change": removed.values - of_gene.baseline}))
    table = pd.concat(tables, ignore_index=True)
    return {"windows": table} if whole else {"windows": table, "tests": window_tests(table)}


def window_units(
    genes: pd.DataFrame, target: str, peaks: pd.DataFrame, most: int, generator: np.random.Generator, *, whole: bool
) -> tuple[Units, NDArray[np.object_]]:
    """Peaks by window around a gene, one at a time or a window's at once.

    Parameters
    ----------
    genes
        Coordinates of the genes.
    target
        The gene.
    peaks : (p, 3)
        Coordinates.
    most
        Peaks of a window, drawn at random where it has more.
    whole
        Whether a window's peaks, all of them, are removed together.

    Returns
    -------
    tuple
        What is removed, and the window (u,) of each.
    """
    ring = windows_around(genes.loc[target], peaks)
    drawn = {name: np.flatnonzero(ring == name) for name in WINDOWS}
    drawn = {name: index for name, index in drawn.items() if len(index)}
    if whole:
        names = np.array(list(drawn), dtype=object)
        return Units(pd.Index(names), tuple(drawn.values())), names
    chosen = {
        name: np.sort(generator.choice(index, most, replace=False)) if len(index) > most else index
        for name, index in drawn.items()
    }
    columns: Indices = np.concatenate(list(chosen.values())) if chosen else np.empty(0, np.intp)
    windows = np.repeat(np.array(list(chosen), dtype=object), [len(index) for index in chosen.values()])
    return Units.single(peaks.index, columns), windows


def gene_coordinates(block: Block, targets: list[str], where: str) -> pd.DataFrame:
    """Coordinates of genes around which windows are wanted.

    Raises
    ------
    DataError
        Where there are none, or one of these genes has none.
    """
    table = coordinates(block, where)
    lacking = [name for name in targets if table.loc[name].isna().any()]
    if lacking:
        raise DataError(
            f"expected chrom, start and end of each target gene, found none for {', '.join(lacking[:5])}",
            where=where,
            fix="fill in their rows of var, or choose other genes",
        )
    return table


def window_tests(table: pd.DataFrame) -> pd.DataFrame:
    """One-tailed Welch's t-tests between neighbouring windows: removing nearer peaks lowers `value` more.

    Parameters
    ----------
    table
        `target`, `window` and `value` of each peak.

    Returns
    -------
    DataFrame
        `target`, `window_a` (nearer), `window_b`, `n_a`, `n_b`, `t`, `p_value`; NaN where a window has fewer than two
        values, or neither varies. Where there are several targets, those of all together last.
    """
    by_target: Mapping[str, pd.DataFrame] = {str(name): part for name, part in table.groupby("target", sort=False)}
    if len(by_target) > 1:
        by_target = {**by_target, ALL_TARGETS: table}
    rows = [row for target, part in by_target.items() for row in _tests_of(target, part)]
    return pd.DataFrame(rows, columns=["target", "window_a", "window_b", "n_a", "n_b", "t", "p_value"])


def _tests_of(target: str, part: pd.DataFrame) -> list[tuple[str, str, str, int, int, float, float]]:
    from scipy.stats import ttest_ind_from_stats

    values = {name: part["value"][part["window"] == name].to_numpy(float) for name in WINDOWS}
    present = {name: found for name, found in values.items() if len(found)}
    rows = []
    for (near, a), (far, b) in pairwise(present.items()):
        t, p = float("nan"), float("nan")
        if min(len(a), len(b)) >= _FEWEST and (np.ptp(a) > 0 or np.ptp(b) > 0):
            samples = [number for of in (a, b) for number in (of.mean(), of.std(ddof=1), len(of))]
            test = ttest_ind_from_stats(*samples, equal_var=False, alternative="less")
            t, p = float(test.statistic), float(test.pvalue)
        rows.append((target, near, far, len(a), len(b), t, p))
    return rows
