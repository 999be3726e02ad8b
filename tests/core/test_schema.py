"""A constructor's keyword-only parameters as a schema."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest

import jamie
from jamie.core.schema import MISSING, fields_of, parameter_descriptions, type_name


class Described(jamie.Encoder):
    """An encoder.

    Parameters
    ----------
    width
        Units of the
        hidden layer.
    depth, path : int
        Shared words.

    References
    ----------
    other
        Not a parameter.
    """

    name = "described"

    def __init__(
        self,
        n_features: int,
        n_latent: int,
        *,
        n_covariates: int = 0,
        width: int,
        depth: int = 2,
        path: Path | None = None,
    ) -> None:
        super().__init__()

    def forward(self, x, covariates=None):
        raise AssertionError


class M(jamie.Encoder):
    """No constructor; torch's own is Module.__init__, which starts with this class's name."""

    name = "m"

    def forward(self, x, covariates=None):
        raise AssertionError


class Plain(jamie.Schedule):
    """No constructor at all."""

    name = "plain"

    def __call__(self, step, horizon):
        return 1.0


def test_keyword_only_parameters_are_the_schema_less_the_reserved():
    fields = fields_of(Described)
    assert list(fields) == ["width", "depth", "path"]
    assert (fields["width"].required, fields["width"].default) == (True, MISSING)
    assert (fields["depth"].required, fields["depth"].default) == (False, 2)
    assert fields["depth"].annotation is int
    assert fields["path"].annotation == Path | None


def test_descriptions_come_from_the_docstring():
    assert parameter_descriptions(Described) == {
        "width": "Units of the hidden layer.",
        "depth": "Shared words.",
        "path": "Shared words.",
    }
    assert fields_of(Described)["width"].description == "Units of the hidden layer."
    assert parameter_descriptions(Plain) == {}


@pytest.mark.parametrize("component", [M, Plain])
def test_a_class_without_a_constructor_has_no_parameters(component):
    assert fields_of(component) == {}


@pytest.mark.parametrize(
    ("annotation", "shown"),
    [
        (int, "int"),
        (list[str], "list[str]"),
        (tuple[int, ...], "tuple[int]"),
        (dict[str, float], "dict[str, float]"),
        (Literal["auto", 3], "'auto' | 3"),
        (Literal["auto"] | int, "'auto' | int"),
        (int | None, "int | null"),
        (Annotated[int, "at least 1"], "int"),
        (Path, "path"),
        (jamie.Distance, "distance"),
        (jamie.Distance | None, "distance | null"),
    ],
)
def test_types_are_written_as_a_user_would_read_them(annotation, shown):
    assert type_name(annotation) == shown
