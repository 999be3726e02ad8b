"""Values in the first form that the installed anndata writes: as they are, of another type, or as text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from jamie.core.matrix import masked_to_nan

_NO_TEXT = r"^<(?:.* at 0x[0-9a-f]+|built-in .*|class .*)>$"  # how Python prints objects without a text of their own
_NULLABLE: dict[str, Any] = {"boolean": "boolean", "integer": "Int64"}
_LISTS = (list, tuple, set, frozenset, np.ndarray, pd.Index, pd.api.extensions.ExtensionArray)
_FLOAT = ("floating", "mixed-integer-float", "decimal", "empty")


@dataclass(frozen=True)
class WritableValue:
    """A value in a form that can be written.

    Parameters
    ----------
    value
        In the first such form.
    as_text
        Whether it had to become text.
    """

    value: Any
    as_text: bool = False


def writable_column(values: pd.Series) -> WritableValue | None:
    """Bring a column to a form that can be written; missing values stay missing. None where there is no such form."""
    for form in (values, *_typed_forms(values)):
        if can_be_written(_array(form)):
            return WritableValue(form)
    text = _as_text(values)
    if text.astype(str).str.contains(_NO_TEXT).any() or not can_be_written(_array(text)):
        return None
    return WritableValue(text, as_text=True)


def writable_element(value: Any) -> WritableValue | None:
    """Bring a value that is no table and no mapping to a form that can be written; None where there is none."""
    value = masked_to_nan(value)
    for form in _element_forms(value):
        if can_be_written(form):
            return WritableValue(form)
    return _writable_list(value) if isinstance(value, _LISTS) else None


def writable_index(labels: pd.Index) -> pd.Index:
    """Bring the names of rows to a form that can be written."""
    if can_be_written(_array(labels)):
        return labels
    return pd.Index(list(map(str, labels)), dtype=object, name=labels.name)


def can_be_written(value: Any) -> bool:
    """Whether the installed anndata writes a value as an element of a file, tested by writing it into memory.

    Plain numbers are not tested; of categorical values only the categories are.
    """
    if _is_plain_numeric(value):
        return True
    if isinstance(value, pd.Categorical):
        value = pd.Categorical.from_codes([], dtype=value.dtype)
    import h5py
    from anndata.io import write_elem

    with h5py.File("trial", "w", driver="core", backing_store=False) as file:
        try:
            write_elem(file, "value", value)
        except Exception:  # anndata, h5py and numpy raise many kinds
            return False
    return True


def _is_plain_numeric(value: Any) -> bool:
    """Whether a value is a matrix of numbers of a class that anndata is known to write."""
    dtype = getattr(value, "dtype", None)
    if not isinstance(dtype, np.dtype) or dtype.kind not in "biuf":
        return False
    if sparse.issparse(value):
        return value.format in ("csr", "csc")
    return type(value) is np.ndarray or not isinstance(value, np.ndarray | np.generic | pd.Series | pd.Index)


def _array(values: pd.Series | pd.Index) -> Any:
    """Return the array behind a column, as anndata takes it."""
    if isinstance(values, pd.MultiIndex):
        return values.to_numpy()
    array = values.array
    return array.to_numpy() if type(array) is pd.arrays.NumpyExtensionArray else array  # not its subclasses of text


def _typed_forms(values: pd.Series) -> Iterator[pd.Series]:
    """Yield the same values in types that files know."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        texts = {category: str(category) for category in values.cat.categories}
        if len(set(texts.values())) == len(texts):
            yield values.cat.rename_categories(texts)
        return
    kind = pd.api.types.infer_dtype(values, skipna=True)
    if kind == "string":
        yield _as_text(values)
    try:
        if kind in _NULLABLE:
            yield values.astype(object).where(values.notna(), None).astype(_NULLABLE[kind])
        elif kind in _FLOAT:
            yield values.astype(object).where(values.notna(), np.nan).astype(np.float64)
    except (TypeError, ValueError, OverflowError):  # such as whole numbers that are too large
        return


def _as_text(values: pd.Series) -> pd.Series:
    """Return text that every version of anndata writes: categories where values repeat or are missing, else plain."""
    known = values.notna().to_numpy()
    text = values.astype(object).map(str).astype(object).where(known, None)
    if known.all() and text.is_unique:
        return text
    categories = pd.Index(sorted(set(text[known])), dtype=object)
    return pd.Series(pd.Categorical(text, categories=categories), index=values.index, name=values.name)


def _element_forms(value: Any) -> Iterator[Any]:
    yield value
    if sparse.issparse(value):
        yield value.tocsr()
    elif isinstance(value, set | frozenset):
        yield sorted(value, key=str)
    elif isinstance(value, tuple):
        yield list(value)
    elif isinstance(value, np.ndarray):
        yield np.asarray(value)
    elif np.isscalar(value) or hasattr(value, "__fspath__") or hasattr(value, "isoformat"):
        yield str(value)


def _writable_list(values: Any) -> WritableValue | None:
    """Bring single values in a row to the form that they would have in a column."""
    try:
        column = pd.Series(list(values))
    except (TypeError, ValueError):  # of several dimensions
        return None
    if not all(
        entry is None or entry is pd.NA or np.isscalar(entry) or hasattr(entry, "isoformat") for entry in column
    ):
        return None
    written = writable_column(column)
    return written and replace(written, value=_array(written.value))
