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
from jamie.data.storage.matrices import read_frame

log = logging.getLogger(__name__)

Links: TypeAlias = Mapping[str, Mapping[str, sparse.csr_array]]

COLUMNS, WEIGHT = ("feature_a", "feature_b"), "weight"
EXPECTED = "a table of linked features (.csv or .tsv)"
_NAMED = 5  # names that an error gives


def linked_features(features: Mapping[str, pd.Index], file: Path | None, where: str = "correspondence.links") -> Links:
    """Find the linked features of every two modalities.

    Parameters
    ----------
    features
        Names of the features of each modality.
    file
        A table, one row for each link, with columns ``feature_a`` and ``feature_b``: of whichever two modalities have
        them, in either order. Or with columns named as the modalities, where an empty field stands for none. A column
        ``weight`` may hold their weights, negative where one feature falls as the other rises; 1 by default.
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
        Where the table has other columns, names that no modality has, a pair twice or no link.
    """
    links: dict[str, dict[str, sparse.csr_array]] = {m: {} for m in features}
    table = None if file is None else _read(file, features, where)
    for a, b in combinations(features, 2):
        found = _by_name(features[a], features[b]) if table is None else _between(table, a, b, features)
        if found.nnz:
            links[a][b], links[b][a] = found, sparse.csr_array(found.T)
            log.info("%s--%s: %d pairs of features are linked%s", a, b, found.nnz, "" if file else " by their names")
    return links


def _by_name(a: pd.Index, b: pd.Index) -> sparse.csr_array:
    columns = np.full(len(a), -1) if _numbered(a) or _numbered(b) else b.get_indexer(a)
    rows = np.flatnonzero(columns >= 0)
    return _matrix(rows, columns[rows], np.ones(len(rows)), (len(a), len(b)))


def _numbered(names: pd.Index) -> bool:
    """Whether names are `0, 1, 2, ...` or `feature_1, feature_2, ...`, which two modalities share without a reason."""
    parts = [re.fullmatch(r"(.*?)(\d+)", str(name)) for name in names]
    stems, numbers = {p and p[1] for p in parts}, sorted(int(p[2]) for p in parts if p)
    return len(stems) == 1 and numbers in (list(range(len(names))), list(range(1, len(names) + 1)))


def _matrix(
    rows: NDArray[np.int64], columns: NDArray[np.int64], weights: NDArray[np.float64], shape: tuple[int, int]
) -> sparse.csr_array:
    return sparse.csr_array((weights.astype(np.float32), (rows, columns)), shape=shape)


def _read(file: Path, features: Mapping[str, pd.Index], where: str) -> pd.DataFrame:
    """Read a table, one column of names for each modality or the two of `COLUMNS`, and a column of weights."""
    where_in_file = f"{where}, {file}"
    table = read_frame(file, EXPECTED, dtype=str, keep_default_na=False)
    names = [str(name) for name in table.columns if name != WEIGHT]
    if set(names) != set(COLUMNS) and not (len(names) > 1 and set(names) <= set(features)):
        raise DataError(
            f"expected the columns {', '.join(COLUMNS)} (or names of modalities: {', '.join(features)}) and perhaps "
            f"{WEIGHT}, found {', '.join(map(str, table.columns))}",
            where=where_in_file,
            fix="rename the columns, and take out those that say something else",
        )
    _require_known(table[names], features, where_in_file)
    _require_links(table[names], features, where_in_file)
    repeated = table.duplicated(names)
    if repeated.any():
        first = " and ".join(map(repr, table.loc[repeated, names].iloc[0]))
        raise DataError(
            f"expected each link once, found {int(repeated.sum())} again; the first is {first}",
            where=where_in_file,
            fix="keep one row for each link",
        )
    return table.assign(**{WEIGHT: _weights(table, where_in_file)})


def _weights(table: pd.DataFrame, where_in_file: str) -> NDArray[np.float64]:
    if WEIGHT not in table:
        return np.ones(len(table))
    values = pd.to_numeric(table[WEIGHT], errors="coerce").to_numpy(np.float64)
    wrong = ~np.isfinite(values) | (values == 0)
    if wrong.any():
        raise DataError(
            f"expected weights other than 0, found '{table[WEIGHT][wrong].iloc[0]}' in row {int(np.argmax(wrong)) + 1}",
            where=where_in_file,
            fix="give numbers, or take out the rows of features that are not linked",
        )
    return values


def _require_known(names: pd.DataFrame, features: Mapping[str, pd.Index], where_in_file: str) -> None:
    """Refuse names that no modality has, or not the one that the column names."""
    for column in names:
        in_column = [m for m in features if column in (m, *COLUMNS)]
        own = features[in_column[0]].append([features[m] for m in in_column[1:]])
        unknown = list(dict.fromkeys(name for name in names[column] if name not in own and (name or column in COLUMNS)))
        if unknown:
            near = closest_names(unknown[0], own)
            likely = f"for '{unknown[0]}' did you mean {' or '.join(map(repr, near))}? " if near else ""
            owner = "no modality has" if column in COLUMNS else f"modality '{column}' does not have"
            raise DataError(
                f"expected names of features, found {len(unknown)} that {owner}: "
                f"{', '.join(map(repr, unknown[:_NAMED]))}{', ...' if len(unknown) > _NAMED else ''}",
                where=f"{where_in_file}, column '{column}'",
                fix=f"{likely}features are named as in var_names (the names look like '{own[0]}'); take out the others",
            )


def _require_links(names: pd.DataFrame, features: Mapping[str, pd.Index], where_in_file: str) -> None:
    """Refuse a table with a row that links nothing, or without any row."""
    linking = np.zeros(len(names), bool)
    for a, b in combinations(features, 2):
        linking |= _both(_indices(names, a, b, features))
    if not linking.all() or not len(names):
        first = f"; the first is {' and '.join(map(repr, names[~linking].iloc[0]))}" if len(names) else ""
        raise DataError(
            f"expected each row to link features of two modalities, found {int((~linking).sum())} of {len(names)} rows "
            f"that do not{first}",
            where=where_in_file,
            fix=f"give rows with one feature of each of two modalities ({', '.join(features)})",
        )


def _between(table: pd.DataFrame, a: str, b: str, features: Mapping[str, pd.Index]) -> sparse.csr_array:
    rows, columns = _indices(table, a, b, features)
    at = np.flatnonzero(rows >= 0)
    # a link may be listed in both orders: it still is one link
    _, first = np.unique(np.stack([rows[at], columns[at]]), axis=1, return_index=True)
    at = at[first]
    weights = table[WEIGHT].to_numpy(np.float64)
    return _matrix(rows[at], columns[at], weights[at], (len(features[a]), len(features[b])))


def _indices(table: pd.DataFrame, a: str, b: str, features: Mapping[str, pd.Index]) -> NDArray[np.int64]:
    """(2, rows) index of the feature of a and of b that each row names, both -1 where it does not link these two."""

    def indices(column_a: str, column_b: str) -> NDArray[np.int64]:
        columns = ((a, column_a), (b, column_b))
        nowhere = np.full(len(table), -1)
        index = [features[m].get_indexer(pd.Index(table[c])) if c in table else nowhere for m, c in columns]
        return np.where(_both(np.stack(index)), np.stack(index), -1)

    if COLUMNS[0] not in table:
        return indices(a, b)
    orders = indices(*COLUMNS), indices(*COLUMNS[::-1])
    # names that both modalities have are read in the order in which most rows can be
    likely, other = sorted(orders, key=lambda index: -_both(index).sum())
    return np.where(_both(likely), likely, other)


def _both(index: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.asarray((index >= 0).all(axis=0))
