"""What checks are written with: components to test, and assertions that name the clause that is broken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.component import Component
from jamie.core.errors import DataError
from jamie.core.schema import fields_of

C = TypeVar("C", bound=Component)


def build(component: type[C], *args: Any, **reserved: Any) -> C:
    """Build a component with its `test_params`, from a fixed torch seed.

    Parameters
    ----------
    component
        Its class.
    args, reserved
        Arguments of this kind's constructor that the model gives, not the spec.

    Raises
    ------
    AssertionError
        If `test_params` lacks a required parameter.
    """
    params = component.test_params()
    missing = [f.name for f in fields_of(component).values() if f.required and f.name not in params]
    require(
        not missing,
        component,
        "test_params() covers the required parameters; give those without a sensible default, such as files, as "
        "(class, parameters) to parametrize_with_checks",
        expected=", ".join(missing),
        found=", ".join(params) or "none",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return component(*args, **params, **reserved)


def require(holds: Any, component: type[Component], clause: str, *, expected: object, found: object) -> None:
    """Fail with a message that names the component, the clause, what was expected and what was found."""
    if not holds:
        name = getattr(component, "name", component.__name__)
        raise AssertionError(f"{component.kind} '{name}': {clause}: expected {expected}, found {found}")


def require_is(component: type[Component], clause: str, found: object, expected: object) -> None:
    """Fail unless a plain value, such as a shape, is the expected one."""
    require(found == expected, component, clause, expected=expected, found=found)


def require_equal(
    component: type[Component], clause: str, found: Any, expected: Any, *, tolerance: float = 1e-4
) -> None:
    """Fail unless two arrays, or results that hold arrays, have the same shapes and values, NaN included."""
    results, references = arrays_in(found), arrays_in(expected)
    added, lacking = sorted(results.keys() - references), sorted(references.keys() - results)
    require(not added and not lacking, component, clause, expected=lacking or "nothing else", found=added or "nothing")
    for path, b in references.items():
        a, where = results[path], f"{clause} ({path})" if path else clause
        require(a.shape == b.shape, component, where, expected=f"shape {b.shape}", found=f"shape {a.shape}")
        is_number = a.dtype.kind in "fc"
        wrong = ~np.isclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True) if is_number else a != b
        if wrong.any():
            first = tuple(int(i) for i in np.argwhere(wrong)[0])
            require(False, component, f"{where}, at {first}", expected=b[first], found=a[first])


def require_finite(component: type[Component], clause: str, found: Any) -> None:
    """Fail if a value of an array, or of a result that holds arrays, is NaN or infinite."""
    n_wrong = sum(int((~np.isfinite(values)).sum()) for values in arrays_in(found).values())
    require(n_wrong == 0, component, clause, expected="finite values", found=f"{n_wrong} that are not")


@contextmanager
def unmodified(component: type[Component], **inputs: Any) -> Iterator[None]:
    """Fail if the code inside changes one of the inputs: arrays, tables, or objects that hold them."""
    before = {path: values.copy() for path, values in arrays_in(inputs).items()}
    yield
    require_equal(component, "inputs are never modified", inputs, before, tolerance=0)


@contextmanager
def may_refuse(component: type[Component], case: str) -> Iterator[None]:
    """Let the code inside raise a `DataError` that says a fix; fail if it raises another error."""
    try:
        yield
    except DataError as error:
        clause = f"{case}: the error says what to do"
        require(error.fix, component, clause, expected="DataError(..., fix=...)", found=error)
    except AssertionError:
        raise
    except Exception as error:
        found = f"{type(error).__name__}: {error}"
        require(False, component, case, expected="a result or a DataError", found=found)


@contextmanager
def must_raise(component: type[Component], clause: str, error: type[Exception]) -> Iterator[None]:
    """Fail unless the code inside raises this error."""
    found = "none"
    try:
        yield
    except error:
        return
    except Exception as other:
        found = f"{type(other).__name__}: {other}"
    require(False, component, clause, expected=error.__name__, found=found)


def arrays_in(value: Any, path: str = "") -> dict[str, NDArray[Any]]:
    """Return the arrays in nested dataclasses, mappings, tuples and tables by their path: ``views.rna.scores``."""
    if is_dataclass(value):  # but for what it has computed of its own fields
        names = (field.name for field in fields(value) if not field.name.startswith("_"))
        value = {name: getattr(value, name) for name in names}
    elif isinstance(value, pd.DataFrame):
        value = {"index": value.index, **dict(value.items())}
    elif isinstance(value, tuple):
        value = dict(enumerate(value))
    if isinstance(value, Mapping):
        parts = (arrays_in(part, f"{path}.{name}" if path else str(name)) for name, part in value.items())
        return {name: array for part in parts for name, array in part.items()}
    if isinstance(value, torch.Tensor | np.ndarray | pd.Series | pd.Index) or sparse.issparse(value):
        return {path: dense(value)}
    return {}


def dense(values: Any) -> NDArray[Any]:
    """Return any array as a dense numpy array, and values that are not numbers as text, empty if missing."""
    if isinstance(values, torch.Tensor):
        return values.detach().cpu().numpy()
    array = values.toarray() if sparse.issparse(values) else np.asarray(values)
    return array if array.dtype.kind in "biufc" else np.where(pd.isna(array), "", array.astype(object)).astype(str)
