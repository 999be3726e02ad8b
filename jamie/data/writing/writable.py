"""AnnData and MuData that files can hold: no annotation of the user's prevents that the cells are written."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from jamie.core.matrix import masked_to_nan
from jamie.core.package_versions import layer_names
from jamie.data.writing.names import writable_names
from jamie.data.writing.values import WritableValue, writable_column, writable_element, writable_index

if TYPE_CHECKING:
    from anndata import AnnData

MAX_LISTED = 8  # changes that one message names

log = logging.getLogger(__name__)


@dataclass
class Adjustments:
    """What had to change so that data can be written; each entry names where.

    Parameters
    ----------
    renamed, unnamed, as_text, left_out
        Names that were replaced; tables whose index lost its name to a column; values that became text; values that
        no file can hold.
    """

    renamed: list[str] = field(default_factory=list)
    unnamed: list[str] = field(default_factory=list)
    as_text: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def log(self) -> None:
        """Log the changes, one message for each kind."""
        for level, changes, what in (
            (logging.INFO, self.renamed, "written under another name, as files can hold it"),
            (logging.INFO, self.unnamed, "written without the name of the index, which a column of other values has"),
            (logging.INFO, self.as_text, "written as text, as files hold values of one type each"),
            (logging.WARNING, self.left_out, "left out of what is written, as no file can hold it"),
        ):
            if changes:
                more = f" and {len(changes) - MAX_LISTED} more" if len(changes) > MAX_LISTED else ""
                log.log(level, "%s: %s%s", what, "; ".join(changes[:MAX_LISTED]), more)

    def note_value(self, written: WritableValue | None, where: str) -> None:
        """Note a value that became text or cannot be written."""
        if written is None:
            self.left_out.append(where)
        elif written.as_text:
            self.as_text.append(where)

    def rename(self, names: Sequence[Hashable], where: str) -> list[str]:
        """Return names that can be written, and note those that had to change."""
        new_names = writable_names(names)
        pairs = zip(names, new_names, strict=True)
        self.renamed += [f"{where} '{old}' as '{new}'" for old, new in pairs if str(old) != new]
        return new_names


def writable_copy(adata: AnnData, where: str, adjustments: Adjustments) -> AnnData:
    """Return an AnnData that shares its matrices with `adata` and can be written and added to.

    Parameters
    ----------
    adata
        Not modified.
    where
        What it is, for messages.
    adjustments
        Collects what changes.
    """
    from anndata import AnnData

    frames = {axis: writable_frame(getattr(adata, axis), f"{where}, {axis}", adjustments) for axis in ("obs", "var")}
    mappings = {"layer": {name: adata.layers[name] for name in layer_names(adata)}}
    mappings |= {kind: getattr(adata, kind) for kind in ("uns", "obsm", "varm", "obsp", "varp")}
    parts = {kind: writable_mapping(given, f"{where}, {kind}", adjustments) for kind, given in mappings.items()}
    layers, raw = parts.pop("layer"), None
    if adata.raw is not None:
        varm = writable_mapping(adata.raw.varm, f"{where}, raw.varm", adjustments)
        var = writable_frame(adata.raw.var, f"{where}, raw.var", adjustments)
        raw = {"X": adata.raw.X, "var": var, "varm": varm}
    return AnnData(X=masked_to_nan(adata.X), layers=layers, raw=raw, **frames, **parts)


def writable_mapping(mapping: Mapping[Any, Any], where: str, adjustments: Adjustments) -> dict[str, Any]:
    """Return a copy of a nested mapping whose keys and values can be written."""
    keys = list(mapping)
    copy: dict[str, Any] = {}
    for old, name in zip(keys, adjustments.rename(keys, where), strict=True):
        value, here = mapping[old], f"{where} '{old}'"
        if isinstance(value, pd.Series):
            value = value.to_frame()
        if isinstance(value, Mapping):
            copy[name] = writable_mapping(value, here, adjustments)
        elif isinstance(value, pd.DataFrame):
            copy[name] = writable_frame(value, here, adjustments)
        else:
            written = writable_element(value)
            adjustments.note_value(written, here)
            if written is not None:
                copy[name] = written.value
    return copy


def writable_frame(frame: pd.DataFrame, where: str, adjustments: Adjustments) -> pd.DataFrame:
    """Return a table whose index, columns and names can be written; `frame` is not modified."""
    names = adjustments.rename(list(frame.columns), where)
    columns, is_changed = {}, names != list(frame.columns)
    for position, name in enumerate(names):
        values = frame.iloc[:, position]
        written = writable_column(values)
        adjustments.note_value(written, f"{where} '{name}'")
        is_changed |= written is None or written.value is not values
        if written is not None:
            columns[name] = written.value
    copy = pd.DataFrame(columns, frame.index, list(columns)) if is_changed else frame.copy(deep=False)
    return copy.set_axis(_writable_rows(copy, where, adjustments), axis=0)


def _writable_rows(frame: pd.DataFrame, where: str, adjustments: Adjustments) -> pd.Index:
    """Return the index of a table, without its name where a column of that name would be read in its place."""
    rows = writable_index(frame.index)
    if rows.name is None:
        return rows
    (name,) = writable_names([rows.name])
    if name not in frame or pd.Series(rows, index=rows).equals(frame[name].set_axis(rows)):
        return rows.rename(name)
    if list(map(str, rows)) != list(map(str, frame[name])):
        adjustments.unnamed.append(f"{where} '{name}'")
    return rows.rename(None)
