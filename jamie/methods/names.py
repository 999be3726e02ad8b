"""Names of the methods that a run compares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jamie.core.interfaces import Method
from jamie.core.schema import fields_of
from jamie.spec.ref import Ref


def name_methods(refs: Sequence[Ref[Method]], taken: Sequence[str] = ()) -> dict[str, Ref[Method]]:
    """Name methods by their component, and by their parameters as well if components alone are not unique.

    Parameters
    ----------
    refs
        In the order of the spec.
    taken
        Names that are in use.
    """
    named: dict[str, Ref[Method]] = {}
    components = [_component_name(ref, refs) for ref in refs]
    with_parameters = [_with_parameters(*one) for one in zip(components, refs, strict=True)]
    for component, ref, short in zip(components, refs, with_parameters, strict=True):
        if components.count(component) == 1 and component not in taken:
            name = component
        else:
            unique = with_parameters.count(short) == 1 and short not in taken
            name = short if unique else _with_parameters(component, ref, settings=True)
        name = _with_first_parameter(component, ref) if name in taken else name
        name = name.replace("/", "_")  # HDF5 allows no / in names
        base, number = name, 2
        while name in named or name in taken:
            name, number = f"{base}#{number}", number + 1
        named[name] = ref
    return named


def _component_name(ref: Ref[Method], refs: Sequence[Ref[Method]]) -> str:
    """Name of a component, with its distribution where another one has the same."""
    clashes = any(other.name == ref.name and other.prefix != ref.prefix for other in refs)
    return ref.key if clashes else ref.name


def _with_parameters(name: str, ref: Ref[Method], *, settings: bool = False) -> str:
    """``cca(regularization=0.1)``: the parameters that differ from the defaults, nested components by their name.

    Parameters that are a mapping of `settings` are left out for short, or written out.
    """
    defaults = {key: field.default for key, field in fields_of(ref.cls).items()}
    shown: dict[str, Any] = {}
    for key, value in ref.params.items():
        if not _is_default(value, defaults[key]):
            shown |= (value if settings else {}) if isinstance(value, dict) else {key: value}
    text = ", ".join(f"{key}={value.name if isinstance(value, Ref) else value}" for key, value in shown.items())
    return f"{name}({text})" if text else name


def _with_first_parameter(name: str, ref: Ref[Method]) -> str:
    """``jamie(spec=default)``: for a method with default parameters whose name is taken."""
    key = next(iter(ref.params), None)
    return name if key is None else f"{name}({key}={ref.params[key]})"


def _is_default(value: Any, default: Any) -> bool:
    return isinstance(default, value.cls) if isinstance(value, Ref) else bool(value == default)
