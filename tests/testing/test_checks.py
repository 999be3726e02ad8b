"""Every check passes a sound component, and fails on one that breaks its clause.

`broken/<kind>.py` holds for each kind `SOUND`, a component that keeps the contract, and `BROKEN`, for each check by
name a component that does not, with the words that the message must have.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import jamie
from jamie.core.errors import ContractError, DataError
from jamie.core.interfaces import KINDS
from jamie.core.registry import import_file
from jamie.testing import checks_for, parametrize_with_checks, toy
from jamie.testing.checks.correspondence import check_works_without_known_pairs_or_refuses
from jamie.testing.parametrize import _checks_in

TABLES = {path.stem: import_file(path) for path in sorted((Path(__file__).parent / "broken").glob("*.py"))}
CASES = [
    pytest.param(kind, name, component, words, id=f"{kind}-{name}-{component.__name__}")
    for kind, table in TABLES.items()
    for name, components in table.BROKEN.items()
    for component, words in components
]


SOUND = [table.SOUND for kind, table in TABLES.items() if kind != "general"]


@parametrize_with_checks([*SOUND, TABLES["method"].Transductive])
def test_a_sound_component_passes(component, check):
    check(component)


@pytest.mark.parametrize(("kind", "name", "component", "words"), CASES)
def test_a_broken_component_is_caught(kind, name, component, words):
    (check,) = (c for c in _checks_in(kind) if c.__name__ == name)
    with pytest.raises((AssertionError, ContractError), match=words) as caught:
        check(component)
    assert component.kind in str(caught.value)


@pytest.mark.parametrize("kind", ["general", *KINDS])
def test_every_check_of_every_kind_has_a_broken_component(kind):
    assert set(TABLES[kind].BROKEN) == {check.__name__ for check in _checks_in(kind)}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_checks_of_its_own_and_those_of_all(kind):
    names = [check.__name__ for check in checks_for(KINDS[kind])]
    assert set(names) == {c.__name__ for c in (*_checks_in("general"), *_checks_in(kind))}
    assert len(names) == len(set(names))


class NeedsPairs(jamie.CorrespondenceInferer):
    """Refuses to go on without known pairs."""

    name = "needs_pairs"

    def _infer(self, a, b, known, context):
        raise DataError("expected known pairs, found none", where="correspondence 'needs_pairs'")


def test_an_inferer_may_refuse_to_work_without_known_pairs():
    with pytest.raises(DataError, match="expected known pairs, found none"):
        NeedsPairs().infer(toy.view("rna"), toy.view("atac"))
    check_works_without_known_pairs_or_refuses(NeedsPairs)
