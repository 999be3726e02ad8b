"""Names of what an AnnData or MuData file holds, without its matrices."""

from __future__ import annotations

from typing import Any

from jamie.core.requirements import LAYER, OBS, OBSM, UNS, VAR
from jamie.data.blocks import RAW


def columns_of(group: Any) -> list[str]:
    """Return the columns of a table in a file."""
    return [str(name) for name in group.attrs.get("column-order", ())]


def contents_of_group(group: Any) -> dict[str, list[str]]:
    """Return names by the words of `jamie.core.requirements` of one AnnData in a file, and the columns of ``raw``."""
    named = {word: sorted(group[name]) if name in group else [] for word, name in _GROUPS.items()}
    raw: Any = group.get("raw")
    annotated = hasattr(raw, "keys") and "var" in raw
    tables = {OBS: columns_of(group["obs"]), VAR: columns_of(group["var"])}
    return {**named, **tables, RAW: columns_of(raw["var"]) if annotated else []}


_GROUPS = {OBSM: "obsm", LAYER: "layers", UNS: "uns"}
