"""Pytest cases: one for each component and clause of its contract."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from jamie.core.component import Component
from jamie.core.errors import ContractError
from jamie.core.interfaces import KINDS

if TYPE_CHECKING:
    import pytest

Check = Callable[[type[Component]], None]
Parameters = Mapping[str, Any] | Callable[[], Mapping[str, Any]]
_SHARED = {"encoder": ("network",), "decoder": ("network",)}  # checks of several kinds


def checks_for(component: type[Component]) -> tuple[Check, ...]:
    """Return the checks of a component's kind, those of every kind first.

    Parameters
    ----------
    component
        A class, such as a subclass of `jamie.Loss`.

    Returns
    -------
    tuple
        Functions ``check(component)``, which raise an AssertionError that names the broken clause.

    Raises
    ------
    ContractError
        If the class is not of any kind.

    Examples
    --------
    >>> from jamie.losses.latents import KL
    >>> for check in checks_for(KL):
    ...     check(KL)
    """
    kind = getattr(component, "kind", None)
    if kind not in KINDS:
        raise ContractError(
            f"expected a component class, found {component!r}", fix="subclass an interface, such as jamie.Loss"
        )
    modules = ("general", *_SHARED.get(kind, ()), kind)
    return tuple(check for module in modules for check in _checks_in(module))


def parametrize_with_checks(
    components: Iterable[type[Component] | tuple[type[Component], Parameters]],
    *,
    expected_failures: Mapping[str, str] | None = None,
) -> pytest.MarkDecorator:
    """Decorate a test that takes `component` and `check`, to run every check on every component.

    Parameters
    ----------
    components
        Classes, built with their `test_params()`; or (class, parameters), the parameters being a mapping, or a
        function that returns one and may write the files that they name.
    expected_failures
        Reason by id (``"metric-foscttm-check_stays_in_bounds"``, as pytest prints it); such a check must fail.

    Returns
    -------
    MarkDecorator
        A pytest mark with one case for each component and check, with ids ``kind-name-check``.

    Raises
    ------
    ContractError
        If something is not a component class, or an expected failure is of no component and check.

    Examples
    --------
    >>> from jamie.metrics.pearson import Pearson
    >>> @parametrize_with_checks([Pearson])
    ... def test_contract(component, check):
    ...     check(component)
    """
    import pytest

    reasons = dict(expected_failures or {})
    cases = []
    for given in components:
        component = with_parameters(*given) if isinstance(given, tuple) else given
        for check in checks_for(component):
            name = f"{component.kind}-{getattr(component, 'name', component.__name__)}-{check.__name__}"
            reason = reasons.pop(name, None)
            marks = [] if reason is None else [pytest.mark.xfail(reason=reason, strict=True)]
            cases.append(pytest.param(component, check, id=name, marks=marks))
    if reasons:
        raise ContractError(
            f"expected failures of checks that are not run: {', '.join(reasons)}", fix="remove them, or correct the id"
        )
    return pytest.mark.parametrize(("component", "check"), cases)


def with_parameters(component: type[Component], parameters: Parameters) -> type[Component]:
    """Return the component with other `test_params`."""

    def test_params(cls: type[Component]) -> dict[str, Any]:
        return dict(parameters() if callable(parameters) else parameters)

    changed = {
        "__doc__": component.__doc__,
        "__module__": component.__module__,
        "test_params": classmethod(test_params),
    }
    return type(component.__name__, (component,), changed)


def _checks_in(module: str) -> tuple[Check, ...]:
    clauses = importlib.import_module(f"jamie.testing.checks.{module}")
    functions = (f for name, f in vars(clauses).items() if name.startswith("check_") and inspect.isfunction(f))
    return tuple(f for f in functions if f.__module__ == clauses.__name__)
