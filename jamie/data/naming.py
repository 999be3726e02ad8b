"""Features that go by other names in new cells than in the model: what the difference is, for messages."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

_MOST = 0.5  # of the features that are missing, found under another name: no chance
_VERSION = r"\.\d+$"  # of Ensembl ids
_DIFFERENCES: dict[str, Callable[[pd.Index], pd.Index]] = {
    "in case": lambda names: names.str.casefold(),
    "by version suffixes": lambda names: names.str.replace(_VERSION, "", regex=True),
    "by spaces": lambda names: names.str.strip(),
}


def other_naming(given: pd.Index, features: pd.Index, var: pd.DataFrame | None = None) -> str:
    """Say under which other names most of the features that are missing are found; empty where under none.

    Parameters
    ----------
    given : (q,)
        Names in the data.
    features : (p,)
        Names in the model.
    var : (q, ...)
        Other descriptions of the data's features; the names may stand there.
    """
    here, there = given.astype(str), features.astype(str)
    missing = there[~there.isin(here)]
    for column, words in var.items() if var is not None else ():
        if missing.isin(words.astype(str)).mean() > _MOST:
            return f"the model's names stand in var column '{column}': set adata.var_names = adata.var['{column}']"
    for difference, plain in _DIFFERENCES.items():
        known = plain(here)
        found = plain(missing).isin(known)
        if found.mean() > _MOST:
            ours = missing[found][0]
            theirs = here[known == plain(pd.Index([ours]))[0]][0]
            return f"the names differ {difference}: '{theirs}' in the data is '{ours}' in the model; rename them"
    return ""
