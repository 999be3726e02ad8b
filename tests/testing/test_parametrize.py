"""`parametrize_with_checks`: ids, parameters and expected failures."""

from __future__ import annotations

import subprocess
import sys

import pytest

import jamie
from jamie.core.errors import ContractError
from jamie.testing import checks_for, parametrize_with_checks
from jamie.testing.assertions import build
from jamie.testing.checks.schedule import check_is_finite_and_not_negative


class Level(jamie.Schedule):
    """A level.

    Parameters
    ----------
    level
        The factor.
    """

    name = "level"

    def __init__(self, *, level: float) -> None:
        self.level = level

    def __call__(self, step: int, horizon: int) -> float:
        return self.level


def cases_of(mark):
    return {case.id: case for case in mark.args[1]}


def test_ids_name_kind_component_and_check():
    cases = cases_of(parametrize_with_checks([Level]))
    assert set(cases) == {f"schedule-level-{check.__name__}" for check in checks_for(Level)}
    assert cases["schedule-level-check_keeps_no_memory"].values[0] is Level


def test_a_required_parameter_without_test_params_fails_clearly():
    with pytest.raises(AssertionError, match=r"schedule 'level': test_params\(\) covers .* expected level, found none"):
        check_is_finite_and_not_negative(Level)


@pytest.mark.parametrize("parameters", [{"level": 2.0}, lambda: {"level": 2.0}])
def test_parameters_beside_a_class_build_it(parameters):
    component = cases_of(parametrize_with_checks([(Level, parameters)]))["schedule-level-check_keeps_no_memory"].values[
        0
    ]
    assert build(component).level == 2.0
    assert issubclass(component, Level)
    for check in checks_for(component):
        check(component)


def test_a_function_for_parameters_is_not_called_before_a_check_builds():
    def parameters():
        raise AssertionError("called at collection")

    component = parametrize_with_checks([(Level, parameters)]).args[1][0].values[0]
    with pytest.raises(AssertionError, match="called at collection"):
        build(component)


def test_an_expected_failure_is_marked_strictly_with_its_reason():
    failing = {"schedule-level-check_is_finite_and_not_negative": "it falls below zero"}
    cases = cases_of(parametrize_with_checks([(Level, {"level": -1.0})], expected_failures=failing))
    (mark,) = cases["schedule-level-check_is_finite_and_not_negative"].marks
    assert (mark.name, mark.kwargs) == ("xfail", {"reason": "it falls below zero", "strict": True})
    assert not cases["schedule-level-check_keeps_no_memory"].marks


def test_an_expected_failure_of_no_check_is_an_error():
    with pytest.raises(ContractError, match="expected failures of checks that are not run: schedule-level-check_typo"):
        parametrize_with_checks([Level], expected_failures={"schedule-level-check_typo": "why"})


def test_what_is_no_component_is_an_error():
    with pytest.raises(
        ContractError, match=r"expected a component class, found <class 'int'>[\s\S]*subclass an interface"
    ):
        parametrize_with_checks([int])


def test_jamie_testing_can_be_imported_without_pytest():
    code = "import sys; sys.modules['pytest'] = None; import jamie.testing; jamie.testing.toy.modalities()"
    subprocess.run([sys.executable, "-c", code], check=True)
