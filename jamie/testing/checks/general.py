"""Clauses of every kind of component."""

from __future__ import annotations

from jamie.core.citations import REFERENCE
from jamie.core.component import Component
from jamie.core.errors import ContractError
from jamie.core.interfaces import KINDS
from jamie.core.registry import check_component
from jamie.core.requirements import problem_of_words
from jamie.core.schema import fields_of
from jamie.testing.assertions import build, require


def check_can_be_registered(component: type[Component]) -> None:
    """It has a name, a docstring and an annotated constructor, and defines all that its kind requires."""
    try:
        check_component(component)
    except ContractError as error:
        require(False, component, "can be registered", expected="a component that registers", found=error)


def check_parameters_are_described(component: type[Component]) -> None:
    """Each parameter of a spec is described in the docstring, for `jamie show`."""
    silent = [field.name for field in fields_of(component).values() if not field.description]
    require(
        not silent,
        component,
        "the class's docstring describes each keyword under 'Parameters'",
        expected="a description of each",
        found=f"none of {', '.join(silent)}",
    )


def check_requires_words_of_its_kind(component: type[Component]) -> None:
    """`requires`, and what `required` makes of parameters, are words that its kind can be given."""
    allowed = component.readable | component.other_words
    words = build(component).required() if component.readable else component.requires
    problem = problem_of_words(words, component.kind, allowed)
    require(not problem, component, "`requires` names what its kind can be given", expected=allowed, found=problem)


def check_references_are_dois(component: type[Component]) -> None:
    """References are DOIs, or citations that end in one."""
    wrong = [reference for reference in component.references if not REFERENCE.fullmatch(reference)]
    require(not wrong, component, "references are DOIs", expected="10.<number>/<name>", found=wrong)


def check_test_params_are_parameters(component: type[Component]) -> None:
    """`test_params` gives only parameters of the constructor."""
    unknown = sorted(set(component.test_params()) - set(fields_of(component)))
    require(
        not unknown,
        component,
        "test_params() gives the constructor's keywords only",
        expected=f"some of {', '.join(fields_of(component)) or 'none'}",
        found=", ".join(unknown),
    )


def check_public_methods_are_kept(component: type[Component]) -> None:
    """The public methods, which validate, are the interface's own; an author writes the inner ones."""
    interface = KINDS[component.kind]
    outer = [name for name in vars(interface) if not name.startswith("_") and f"_{name}" in vars(interface)]
    changed = [name for name in outer if getattr(component, name) is not getattr(interface, name)]
    require(
        not changed,
        component,
        "the public methods validate and stay as they are",
        expected=", ".join(f"_{name}" for name in changed),
        found=", ".join(changed),
    )
