"""AnnData and MuData as files can hold them: nothing that a user keeps beside the values stops its being written."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from jamie.core.compat import layer_names
from jamie.core.matrix import masked_to_nan
from jamie.data.writing.names import written_names
from jamie.data.writing.values import WrittenForm, written_column, written_element, written_labels

if TYPE_CHECKING:
    from anndata import AnnData

MOST_NAMED = 8  # of the things that a notice tells of

log = logging.getLogger(__name__)


@dataclass
class Adjustments:
    """What had to change so that it can be written, each by its place, and told at once.

    Parameters
    ----------
    renamed, unnamed, as_text, left_out
        Names that became others; tables whose rows' name is that of a column; values that became text; values that no
        file can hold.
    """

    renamed: list[str] = field(default_factory=list)
    unnamed: list[str] = field(default_factory=list)
    as_text: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def tell(self) -> None:
        """Say what has changed, each kind of change once."""
        for level, found, what in (
            (logging.INFO, self.renamed, "written under another name, as files can hold it"),
            (logging.INFO, self.unnamed, "written without the name of the index, which a column of other values has"),
            (logging.INFO, self.as_text, "written as text, as files hold values of one type each"),
            (logging.WARNING, self.left_out, "left out of what is written, as no file can hold it"),
        ):
            if found:
                more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
                log.log(level, "%s: %s%s", what, "; ".join(found[:MOST_NAMED]), more)

    def keep(self, found: WrittenForm, place: str) -> bool:
        """Whether a value has a form that can be written; where that is text, or there is none, it is noted."""
        if not found.kept:
            self.left_out.append(place)
        elif found.as_text:
            self.as_text.append(place)
        return found.kept

    def names(self, names: Sequence[Hashable], place: str) -> list[str]:
        """Return names as they can be written, and note those that are others."""
        found = written_names(names)
        self.renamed += [
            f"{place} '{old}' as '{new}'" for old, new in zip(names, found, strict=True) if str(old) != new
        ]
        return found


def writable_copy(adata: AnnData, place: str, told: Adjustments) -> AnnData:
    """Return an AnnData that shares its matrices with `adata` and can be written and added to.

    Parameters
    ----------
    adata
        Not modified.
    place
        What it is, for notices.
    told
        Takes note of what changes.
    """
    from anndata import AnnData

    raw = adata.raw
    layers = {name: adata.layers[name] for name in layer_names(adata)}
    copy = AnnData(
        X=masked_to_nan(adata.X),
        obs=writable_frame(adata.obs, f"{place}, obs", told),
        var=writable_frame(adata.var, f"{place}, var", told),
        uns=writable_mapping(adata.uns, f"{place}, uns", told),
        layers=writable_mapping(layers, f"{place}, layer", told),
        obsm=writable_mapping(adata.obsm, f"{place}, obsm", told),
        varm=writable_mapping(adata.varm, f"{place}, varm", told),
        raw=None if raw is None else _raw(raw, f"{place}, raw", told),
    )
    copy.obsp.update(writable_mapping(adata.obsp, f"{place}, obsp", told))
    copy.varp.update(writable_mapping(adata.varp, f"{place}, varp", told))
    return copy


def _raw(raw: Any, place: str, told: Adjustments) -> dict[str, Any]:
    varm = writable_mapping(raw.varm, f"{place}.varm", told)
    return {"X": raw.X, "var": writable_frame(raw.var, f"{place}.var", told), "varm": varm}


def writable_mapping(mapping: Mapping[Any, Any], place: str, told: Adjustments) -> dict[str, Any]:
    """Return a mapping, and those in it, whose keys and values can be written."""
    keys = list(mapping)
    found: dict[str, Any] = {}
    for old, name in zip(keys, told.names(keys, place), strict=True):
        value, here = mapping[old], f"{place} '{old}'"
        if isinstance(value, Mapping):
            found[name] = writable_mapping(value, here, told)
        elif isinstance(value, pd.DataFrame | pd.Series):
            frame = value.to_frame() if isinstance(value, pd.Series) else value
            found[name] = writable_frame(frame, here, told)
        elif told.keep(written := written_element(value), here):
            found[name] = written.value
    return found


def writable_frame(frame: pd.DataFrame, place: str, told: Adjustments) -> pd.DataFrame:
    """Return a table of which the rows' names, all columns and their names can be written; `frame` is not modified."""
    names = told.names(list(frame.columns), place)
    columns, is_changed = {}, names != list(frame.columns)
    for position, name in enumerate(names):
        values = frame.iloc[:, position]
        written = written_column(values)
        is_changed |= written.value is not values
        if told.keep(written, f"{place} '{name}'"):
            columns[name] = written.value
    found = pd.DataFrame(columns, frame.index, list(columns)) if is_changed else frame.copy(deep=False)
    return found.set_axis(_rows(found, place, told), axis=0)


def _rows(frame: pd.DataFrame, place: str, told: Adjustments) -> pd.Index:
    """Names of rows; what they are called is left out where a column of the name would be taken for them."""
    rows = written_labels(frame.index)
    if rows.name is None:
        return rows
    (name,) = written_names([rows.name])
    if name not in frame or pd.Series(rows, index=rows).equals(frame[name].set_axis(rows)):
        return rows.rename(name)
    if list(map(str, rows)) != list(map(str, frame[name])):
        told.unnamed.append(f"{place} '{name}'")
    return rows.rename(None)
