"""Linked features of two modalities, such as a gene and its protein."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.errors import DataError
from jamie.core.suggest import closest_names
from jamie.data.checks.messages import first_names
from jamie.data.storage.matrices import read_frame

log = logging.getLogger(__name__)

Links: TypeAlias = Mapping[str, Mapping[str, sparse.csr_array]]
Indices: TypeAlias = NDArray[np.int64]
Weights: TypeAlias = NDArray[np.float32]

COLUMNS, WEIGHT = ("feature_a", "feature_b"), "weight"


def linked_features(features: Mapping[str, pd.Index], file: Path | None, where: str = "correspondence.links") -> Links:
    """Find the linked features of every two modalities.

    Parameters
    ----------
    features
        Names of the features of each modality.
    file
        A table, one row for each link, with columns ``feature_a`` and ``feature_b``: of whichever two modalities have
        them, in either order. Or with columns named as the modalities, in which an empty field stands for none. A
        column ``weight`` may hold weights, negative if one feature falls as the other rises; 1 by default.
        None: features of the same name are linked, unless the names only number them.
    where
        Key of the spec, for messages.

    Returns
    -------
    Links
        For each modality and each other that it has links with, weights (p, p_other).

    Raises
    ------
    DataError
        If the table has other columns, names that no modality has, a pair twice or no link.
    """
    links: dict[str, dict[str, sparse.csr_array]] = {m: {} for m in features}
    listed = None if file is None else _read(file, features, where)
    for a, b in combinations(features, 2):
        rows, columns, weights = _same_names(features[a], features[b]) if listed is None else listed[a, b]
        if len(rows):
            matrix = sparse.csr_array((weights, (rows, columns)), shape=(len(features[a]), len(features[b])))
            links[a][b], links[b][a] = matrix, sparse.csr_array(matrix.T)
            log.info("%s--%s: %d pairs of features are linked%s", a, b, matrix.nnz, "" if file else " by their names")
    return links


def _same_names(a: pd.Index, b: pd.Index) -> tuple[Indices, Indices, Weights]:
    """Return indices of the features that have the same name in a and in b, and weights of 1."""
    columns = np.full(len(a), -1) if _are_numbers(a) or _are_numbers(b) else b.get_indexer(a)
    rows = np.flatnonzero(columns >= 0)
    return rows, columns[rows], np.ones(len(rows), np.float32)


def _are_numbers(names: pd.Index) -> bool:
    """Whether names are `0, 1, 2, ...` or `feature_1, feature_2, ...`, which two modalities share without a reason."""
    parts = [re.fullmatch(r"(.*?)(\d+)", str(name)) for name in names]
    stems, numbers = {p and p[1] for p in parts}, sorted(int(p[2]) for p in parts if p)
    return len(stems) == 1 and numbers in (list(range(len(names))), list(range(1, len(names) + 1)))


def _read(
    file: Path, features: Mapping[str, pd.Index], where: str
) -> dict[tuple[str, str], tuple[Indices, Indices, Weights]]:
    """Read the links of every two modalities: the index of the feature of each, and the weight."""
    table = read_frame(file, "a table of linked features (.csv or .tsv)", dtype=str, keep_default_na=False)
    where = f"{where}, {file}"
    names = table[[name for name in table.columns if name != WEIGHT]]
    if set(names) != set(COLUMNS) and not (len(names.columns) > 1 and set(names) <= set(features)):
        problem = (
            f"expected the columns {', '.join(COLUMNS)} (or names of modalities: {', '.join(features)}) and perhaps "
            f"{WEIGHT}, found {', '.join(map(str, table.columns))}"
        )
        raise DataError(problem, where=where, fix="rename the columns, and take out those that say something else")
    _require_known(names, features, where)
    indices = {(a, b): _indices(names, a, b, features) for a, b in combinations(features, 2)}
    linking = np.any([(index >= 0).all(axis=0) for index in indices.values()], axis=0)
    if not linking.all() or not len(names):
        first = f"; the first is {_row(names[~linking])}" if len(names) else ""
        raise DataError(
            f"expected each row to link features of two modalities, found {int((~linking).sum())} of {len(names)} rows "
            f"that do not{first}",
            where=where,
            fix=f"give rows with one feature of each of two modalities ({', '.join(features)})",
        )
    repeated = names.duplicated()
    if repeated.any():
        problem = f"expected each link once, found {repeated.sum()} again; the first is {_row(names[repeated])}"
        raise DataError(problem, where=where, fix="keep one row for each link")
    weights = _weights(table, where)
    return {pair: _unique_links(rows, columns, weights) for pair, (rows, columns) in indices.items()}


def _row(names: pd.DataFrame) -> str:
    return " and ".join(map(repr, names.iloc[0]))


def _weights(table: pd.DataFrame, where: str) -> Weights:
    if WEIGHT not in table:
        return np.ones(len(table), np.float32)
    values = pd.to_numeric(table[WEIGHT], errors="coerce").to_numpy(np.float64)
    wrong = ~np.isfinite(values) | (values == 0)
    if wrong.any():
        first = int(np.argmax(wrong))
        problem = f"expected weights other than 0, found '{table[WEIGHT].iloc[first]}' in row {first + 1}"
        raise DataError(problem, where=where, fix="give numbers, or take out the rows of features that are not linked")
    return values.astype(np.float32)


def _require_known(names: pd.DataFrame, features: Mapping[str, pd.Index], where: str) -> None:
    """Refuse names of features that no modality has, or that the modality named by the column does not have."""
    for column in names:
        in_column = [m for m in features if column in (m, *COLUMNS)]
        own = features[in_column[0]].append([features[m] for m in in_column[1:]])
        unknown = list(dict.fromkeys(name for name in names[column] if name not in own and (name or column in COLUMNS)))
        if unknown:
            near = closest_names(unknown[0], own)
            likely = f"for '{unknown[0]}' did you mean {' or '.join(map(repr, near))}? " if near else ""
            owner = "no modality has" if column in COLUMNS else f"modality '{column}' does not have"
            raise DataError(
                f"expected names of features, found {len(unknown)} that {owner}: {first_names(unknown, quoted=True)}",
                where=f"{where}, column '{column}'",
                fix=f"{likely}features are named as in var_names (the names look like '{own[0]}'); take out the others",
            )


def _unique_links(rows: Indices, columns: Indices, weights: Weights) -> tuple[Indices, Indices, Weights]:
    """Return the links in the table, once each if a link is listed in both orders."""
    listed = np.flatnonzero(rows >= 0)
    _, first = np.unique(np.stack([rows[listed], columns[listed]]), axis=1, return_index=True)
    chosen = listed[first]
    return rows[chosen], columns[chosen], weights[chosen]


def _indices(names: pd.DataFrame, a: str, b: str, features: Mapping[str, pd.Index]) -> Indices:
    """(2, rows) index of the feature of a and of b that each row names, both -1 if it does not link these two."""

    def indices(column_a: str, column_b: str) -> Indices:
        columns = ((a, column_a), (b, column_b))
        absent = np.full(len(names), -1)
        index = np.stack([features[m].get_indexer(pd.Index(names[c])) if c in names else absent for m, c in columns])
        return np.where((index >= 0).all(axis=0), index, -1)

    if COLUMNS[0] not in names:
        return indices(a, b)
    orders = indices(*COLUMNS), indices(*COLUMNS[::-1])
    # names that both modalities have are read in the order that fits most rows
    likely, other = sorted(orders, key=lambda index: -(index[0] >= 0).sum())
    return np.where(likely >= 0, likely, other)
