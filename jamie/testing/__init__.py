"""Contract checks for components, with their toy data and controls, for the tests of plugin authors.

A plugin's whole test file may be::

    from jamie.testing import parametrize_with_checks
    from jamie_example import Sparsity

    @parametrize_with_checks([Sparsity])
    def test_contract(component, check):
        check(component)
"""

from jamie.testing import controls, toy
from jamie.testing.parametrize import checks_for, parametrize_with_checks

__all__ = ["checks_for", "controls", "parametrize_with_checks", "toy"]
