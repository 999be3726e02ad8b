"""What every check is written with: building a component, comparing, and saying which clause is broken."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.component import Component
from jamie.core.schema import fields_of

C = TypeVar("C", bound=Component)


def require(holds: Any, component: type[Component], clause: str, *, expected: object, found: object) -> None:
    """Fail with a message that names the component, the clause, what was expected and what was found."""
    if not holds:
        name = getattr(component, "name", component.__name__)
        raise AssertionError(f"{component.kind} '{name}': {clause}: expected {expected}, found {found}")


def require_equal(
    component: type[Component], clause: str, found: Any, expected: Any, *, tolerance: float = 1e-4
) -> None:
    """Fail unless two arrays (dense, sparse or tensors) have one shape and the same values, NaN included."""
    a, b = dense(found), dense(expected)
    require(a.shape == b.shape, component, clause, expected=f"shape {b.shape}", found=f"shape {a.shape}")
    numbers = a.dtype.kind in "fc"
    wrong = ~np.isclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True) if numbers else a != b
    if wrong.any():
        first = tuple(int(i) for i in np.argwhere(wrong)[0])
        require(False, component, f"{clause}, at {first}", expected=b[first], found=a[first])


def require_finite(component: type[Component], clause: str, found: Any) -> None:
    """Fail where a value is NaN or infinite."""
    n_wrong = int((~np.isfinite(dense(found))).sum())
    require(n_wrong == 0, component, clause, expected="finite values", found=f"{n_wrong} that are not")


@contextmanager
def unmodified(component: type[Component], **inputs: Any) -> Iterator[None]:
    """Fail where the work inside changes one of the inputs (arrays, sparse arrays, tensors)."""
    before = {name: copy.deepcopy(dense(value)) for name, value in inputs.items()}
    yield
    for name, value in inputs.items():
        require_equal(component, f"inputs are never modified ({name})", value, before[name], tolerance=0)


def dense(values: Any) -> NDArray[Any]:
    """Bring an array of any sort to a dense numpy array."""
    if isinstance(values, torch.Tensor):
        return values.detach().cpu().numpy()
    return values.toarray() if sparse.issparse(values) else np.asarray(values)


def build(component: type[C], *args: Any, **reserved: Any) -> C:
    """Build a component with its `test_params`, from a fixed torch seed.

    Parameters
    ----------
    component
        Its class.
    args, reserved
        What the model, not the spec, gives to this kind's constructor.
    """
    params = component.test_params()
    missing = [f.name for f in fields_of(component).values() if f.required and f.name not in params]
    require(
        not missing,
        component,
        "test_params() covers the required parameters; give those that no default can stand for, such as files, as "
        "(class, parameters) to parametrize_with_checks",
        expected=", ".join(missing),
        found="none" if not params else ", ".join(params),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return component(*args, **params, **reserved)
