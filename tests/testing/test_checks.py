"""Every check passes a sound component, and fails on one that breaks its clause.

`broken/<kind>.py` holds for each kind `Sound`, a component that keeps the contract, and `BROKEN`, for each check by
name the components that do not, with the message.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import jamie
from jamie.core.component import Component
from jamie.core.errors import ContractError, DataError
from jamie.core.interfaces import KINDS
from jamie.core.plugin_files import import_file
from jamie.testing import checks_for, parametrize_with_checks, toy
from jamie.testing.checks.correspondence import check_works_without_known_pairs_or_refuses


def table(path):
    """Import `broken/<kind>.py`, and name its components after their classes: `OutOfBounds` is ``out_of_bounds``."""
    module = import_file(path)
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, Component) and "name" not in vars(value):
            value.name = re.sub(r"(?<!^)(?=[A-Z])", "_", value.__name__).lower()
    return module


TABLES = {path.stem: table(path) for path in sorted((Path(__file__).parent / "broken").glob("*.py"))}
CASES = [
    pytest.param(kind, name, component, message, id=f"{kind}-{name}-{component.__name__}")
    for kind, module in TABLES.items()
    for name, components in module.BROKEN.items()
    for component, message in components
]
SOUND = [module.Sound for kind, module in TABLES.items() if kind != "general"]


@parametrize_with_checks([*SOUND, TABLES["method"].Transductive])
def test_a_sound_component_passes(component, check):
    check(component)


@pytest.mark.parametrize(("kind", "name", "component", "message"), CASES)
def test_a_broken_component_is_caught(kind, name, component, message):
    (check,) = (c for c in checks_for(component) if c.__name__ == name)
    with pytest.raises((AssertionError, ContractError), match=message) as caught:
        check(component)
    assert component.kind in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_every_check_of_every_kind_has_a_broken_component(kind):
    names = [check.__name__ for check in checks_for(KINDS[kind])]
    assert sorted(names) == sorted([*TABLES["general"].BROKEN, *TABLES[kind].BROKEN])


class NeedsPairs(jamie.CorrespondenceInferer):
    """Refuses to go on without known pairs."""

    name = "needs_pairs"

    def _infer(self, a, b, known, context):
        raise DataError("expected known pairs, found none", where="correspondence 'needs_pairs'")


def test_an_inferer_may_refuse_to_work_without_known_pairs():
    with pytest.raises(DataError, match="expected known pairs, found none"):
        NeedsPairs().infer(toy.view("rna"), toy.view("atac"))
    check_works_without_known_pairs_or_refuses(NeedsPairs)
