"""Known marker features of labels, and their ranks."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.errors import DataError
from jamie.core.suggest import suggest_names
from jamie.data.storage.opening import checked_file
from jamie.explain.feature_tables import read_text_columns

COLUMNS = ("label", "feature")
EXPECTED = "marker lists: a .csv or .tsv table with columns label and feature, a .yaml mapping, or a .gmt file"

log = logging.getLogger(__name__)

Markers = Mapping[str, Sequence[str]]


def read_markers(path: Path) -> dict[str, list[str]]:
    """Read lists of markers by label.

    Parameters
    ----------
    path
        A table (.csv, .tsv) with columns `label` and `feature`; YAML, ``label: [feature, ...]``; or GMT, a line for
        each label: its name, a description, and features, separated by tabs.

    Raises
    ------
    DataError
        If the file is absent, is none of these, or names a label without features.
    """
    ending = path.suffix.lower()
    if ending in (".yaml", ".yml"):
        return _read_yaml(path)
    if ending == ".gmt":
        return _read_gmt(path)
    table = read_text_columns(path, COLUMNS, EXPECTED, str(path))
    return {str(label): list(features) for label, features in table.groupby("label")["feature"]}


def require_markers(markers: Markers, features: pd.Index, where: str) -> None:
    """Refuse markers of which none is a feature; warn if some are not.

    Raises
    ------
    DataError
        If no marker is a feature, as when they are named by another convention.
    """
    names = pd.Index(list(dict.fromkeys(str(name) for of_label in markers.values() for name in of_label)))
    absent = names[~names.isin(features)]
    first = absent[0] if len(absent) else ""
    if len(absent) == len(names):
        raise DataError(
            f"expected markers among the features, found none of {len(names)}"
            + (f"; the first is '{first}'" if first else ""),
            where=where,
            fix=suggest_names(first, features.astype(str), most=5),
        )
    if len(absent):
        log.warning(
            "%s: %d of %d markers are not among the features and are left out; the first is '%s'",
            *(where, len(absent), len(names), first),
        )


def marker_enrichment(
    markers: Markers, labels: Sequence[str], features: pd.Index, scores: NDArray[np.float64]
) -> pd.DataFrame:
    """Ranks of the markers among each label's features, and a one-sided Mann-Whitney test of them.

    Parameters
    ----------
    markers
        Features by label.
    labels : (C,)
        Rows of the scores.
    features : (p,)
        Columns of the scores.
    scores : (C, p)
        Higher is more important.

    Returns
    -------
    DataFrame
        `label`, `n_markers`, `found` (number of them among the features), `auroc`, `p_value`, `median_rank` and
        `worst_rank` (from 1); NaN if no marker, or every feature, is among them.
    """
    from scipy.stats import mannwhitneyu, rankdata

    rows: list[dict[str, Any]] = []
    for label, names in markers.items():
        of_label = scores[list(labels).index(label)]
        wanted = set(map(str, names))
        marked = features.isin(wanted)
        row: dict[str, Any] = {"label": label, "n_markers": len(wanted), "found": int(marked.sum())}
        row |= dict.fromkeys(("auroc", "p_value", "median_rank", "worst_rank"), np.nan)
        if marked.any() and not marked.all() and np.isfinite(of_label).all():
            test = mannwhitneyu(of_label[marked], of_label[~marked], alternative="greater")
            ranks = rankdata(-of_label)[marked]
            row["auroc"] = float(test.statistic) / (int(marked.sum()) * int((~marked).sum()))
            row |= {"p_value": float(test.pvalue), "median_rank": np.median(ranks), "worst_rank": ranks.max()}
        rows.append(row)
    return pd.DataFrame(rows)


def _read_gmt(path: Path) -> dict[str, list[str]]:
    with checked_file(path, EXPECTED):
        lines = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    markers = {name: [feature for feature in rest[1:] if feature.strip()] for name, *rest in lines}
    for name, features in markers.items():
        if not features:
            raise DataError(
                f"expected a name, a description and features, separated by tabs, found no features of '{name}'",
                where=str(path),
                fix="add them after the description, which may be empty, or remove the line",
            )
    return markers


def _read_yaml(path: Path) -> dict[str, list[str]]:
    import yaml

    with checked_file(path, EXPECTED):
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict) or not all(isinstance(value, list) for value in content.values()):
        raise DataError(
            "expected `label: [feature, ...]`, a list of features for each label, found something else",
            where=str(path),
            fix="write one key for each label, and its features in a list",
        )
    return {str(label): [str(name) for name in names] for label, names in content.items()}
