"""Every registered component keeps the contract of its kind."""

from __future__ import annotations

from jamie.builtins import load_registry
from jamie.testing import parametrize_with_checks


@parametrize_with_checks(load_registry().components())
def test_contract(component, check):
    check(component)
