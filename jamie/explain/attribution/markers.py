"""Known marker features of labels, and how high a ranking puts them."""

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
from jamie.explain.feature_tables import read_columns

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
        Where the file is absent, is none of these, or names a label without features.
    """
    ending = path.suffix.lower()
    if ending in (".yaml", ".yml"):
        return _from_yaml(path)
    if ending == ".gmt":
        return _from_gmt(path)
    table = read_columns(path, COLUMNS, EXPECTED, str(path))
    return {str(label): list(features) for label, features in table.groupby("label")["feature"]}


def require_labels(markers: Markers, labels: Sequence[str], where: str) -> None:
    """Refuse markers of labels that there are not."""
    unknown = [name for name in markers if name not in labels]
    if unknown or not markers:
        raise DataError(
            "expected markers of the labels that are voted on, found "
            + (f"{len(unknown)} that are none of them; the first is '{unknown[0]}'" if unknown else "no label at all"),
            where=where,
            fix=suggest_names(unknown[0] if unknown else "", labels),
        )


def require_markers(markers: Markers, features: pd.Index, where: str) -> None:
    """Refuse markers none of which is a feature; warn where some are not.

    Raises
    ------
    DataError
        Where no marker is a feature: their names are of another kind.
    """
    names = pd.Index(list(dict.fromkeys(str(name) for of_label in markers.values() for name in of_label)))
    absent = names[~names.isin(features)]
    if len(absent) == len(names):
        raise DataError(
            f"expected markers among the features, found none of {len(names)}"
            + (f"; the first is '{absent[0]}'" if len(absent) else ""),
            where=where,
            fix=suggest_names(absent[0] if len(absent) else "", features.astype(str), most=5),
        )
    if len(absent):
        log.warning(
            "%s: %d of %d markers are not among the features and are left out; the first is '%s'",
            where,
            len(absent),
            len(names),
            absent[0],
        )


def enrichment(
    markers: Markers, labels: Sequence[str], features: pd.Index, scores: NDArray[np.float64]
) -> pd.DataFrame:
    """How high each label's ranking puts its markers: area under the curve, by the Mann-Whitney test (one-sided).

    Parameters
    ----------
    markers
        Features by label.
    labels : (C,)
        Rows of the scores.
    features : (p,)
        Their columns.
    scores : (C, p)
        Higher is more important.

    Returns
    -------
    DataFrame
        `label`, `n_markers`, `found` (of them among the features), `auroc`, `p_value`, `median_rank` and `worst_rank`
        (from 1); NaN where no marker, or every feature, was found.
    """
    from scipy.stats import mannwhitneyu, rankdata

    rows: list[dict[str, Any]] = []
    for label, names in markers.items():
        of_label = scores[list(labels).index(label)]
        wanted = pd.Index(list(dict.fromkeys(map(str, names))))
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


def _from_gmt(path: Path) -> dict[str, list[str]]:
    with checked_file(path, EXPECTED):
        lines = [line.split("\t") for line in path.read_text().splitlines() if line.strip()]
    found = {name: [one for one in rest[1:] if one.strip()] for name, *rest in lines}
    for name, features in found.items():
        if not features:
            raise DataError(
                f"expected a name, a description and features, separated by tabs, found no features of '{name}'",
                where=str(path),
                fix="add them after the description, which may be empty, or take the line out",
            )
    return found


def _from_yaml(path: Path) -> dict[str, list[str]]:
    import yaml

    with checked_file(path, EXPECTED):
        found = yaml.safe_load(path.read_text())
    if not isinstance(found, dict) or not all(isinstance(value, list) for value in found.values()):
        raise DataError(
            "expected `label: [feature, ...]`, a list of features for each label, found something else",
            where=str(path),
            fix="write one key for each label, and its features in a list",
        )
    return {str(label): [str(name) for name in names] for label, names in found.items()}
