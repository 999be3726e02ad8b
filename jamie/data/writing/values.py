"""Values in the first form that the installed anndata writes: as they are, of a type that it knows, or as text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from jamie.core.matrix import masked_to_nan
from jamie.data.writing.trial import can_be_written

_NO_TEXT = (
    r"^<(?:.* at 0x[0-9a-f]+|built-in .*|class .*)>$"  # what Python says of objects that have no text of their own
)
_NULLABLE: dict[str, Any] = {"boolean": "boolean", "integer": "Int64"}
_LISTS = (list, tuple, set, frozenset, np.ndarray, pd.Index, pd.api.extensions.ExtensionArray)
_FLOAT = ("floating", "mixed-integer-float", "decimal", "empty")


@dataclass(frozen=True)
class WrittenForm:
    """A value as it can be written.

    Parameters
    ----------
    value
        In its first form that can be; None and not `kept` where there is none.
    as_text
        Whether it had to become text.
    kept
        Whether there is such a form.
    """

    value: Any = None
    as_text: bool = False
    kept: bool = True


def written_column(values: pd.Series) -> WrittenForm:
    """Bring a column of a table to a form that can be written; missing values stay missing."""
    for form in (values, *_typed_forms(values)):
        if can_be_written(_array(form)):
            return WrittenForm(form)
    text = _of_text(values)
    if text.astype(str).str.contains(_NO_TEXT).any() or not can_be_written(_array(text)):
        return WrittenForm(kept=False)
    return WrittenForm(text, as_text=True)


def _array(values: pd.Series | pd.Index) -> Any:
    """Return the array behind a column, as anndata takes it."""
    if isinstance(values, pd.MultiIndex):
        return values.to_numpy()
    array = values.array
    return array.to_numpy() if type(array) is pd.arrays.NumpyExtensionArray else array  # not its subclasses of text


def _typed_forms(values: pd.Series) -> Iterator[pd.Series]:
    """Give the same values in types that files know."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        words = {one: str(one) for one in values.cat.categories}
        if len(set(words.values())) == len(words):
            yield values.cat.rename_categories(words)
        return
    kind = pd.api.types.infer_dtype(values, skipna=True)
    if kind == "string":
        yield _of_text(values)
    try:
        if kind in _NULLABLE:
            yield values.astype(object).where(values.notna(), None).astype(_NULLABLE[kind])
        elif kind in _FLOAT:
            yield values.astype(object).where(values.notna(), np.nan).astype(np.float64)
    except (TypeError, ValueError, OverflowError):  # such as whole numbers that are too large
        return


def _of_text(values: pd.Series) -> pd.Series:
    """Text as anndata writes it of any version: categories where some repeat or are missing, else as it stands."""
    text = values.astype(object)
    known = values.notna().to_numpy()
    words = [str(one) if is_known else None for one, is_known in zip(text, known, strict=True)]
    text = pd.Series(words, index=values.index, name=values.name, dtype=object)
    if known.all() and text.is_unique:
        return text
    categories = pd.Index(sorted(set(text[known])), dtype=object)
    return pd.Series(pd.Categorical(text, categories=categories), index=values.index, name=values.name)


def written_labels(labels: pd.Index) -> pd.Index:
    """Bring names of rows to a form that can be written."""
    return (
        labels if can_be_written(_array(labels)) else pd.Index(list(map(str, labels)), dtype=object, name=labels.name)
    )


def written_element(value: Any) -> WrittenForm:
    """Bring a value that is no table and no mapping to a form that can be written."""
    value = masked_to_nan(value)
    for form in _forms(value):
        if can_be_written(form):
            return WrittenForm(form)
    return _written_list(value) if isinstance(value, _LISTS) else WrittenForm(kept=False)


def _forms(value: Any) -> Iterator[Any]:
    yield value
    if sparse.issparse(value):
        yield value.tocsr()
    elif isinstance(value, tuple | set | frozenset):
        yield sorted(value, key=str) if isinstance(value, set | frozenset) else list(value)
    elif isinstance(value, np.ndarray):
        yield np.asarray(value)
    elif np.isscalar(value) or hasattr(value, "__fspath__") or hasattr(value, "isoformat"):
        yield str(value)


def _written_list(values: Any) -> WrittenForm:
    """Bring single values in a row to the form that they would have in a column."""
    try:
        column = pd.Series(list(values))
    except (TypeError, ValueError):  # of several dimensions
        return WrittenForm(kept=False)
    if not all(one is None or one is pd.NA or np.isscalar(one) or hasattr(one, "isoformat") for one in column):
        return WrittenForm(kept=False)
    found = written_column(column)
    return replace(found, value=_array(found.value)) if found.kept else found
