"""The optimizers of torch, each a component under its name in small letters, and those of other packages."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from jamie.core.errors import SpecError
from jamie.core.interfaces import Optimizer
from jamie.core.interfaces.optimizer import ParameterGroup
from jamie.core.suggest import choices

_OF_THE_SPEC = ("self", "params", "lr", "weight_decay")
_HOW_TO_COMPUTE = ("foreach", "maximize", "capturable", "differentiable", "fused")
_ELEMENTWISE = ("ASGD", "Adadelta", "Adagrad", "Adamax", "NAdam", "RAdam", "RMSprop", "SGD")
_NAMED = (*_ELEMENTWISE, "Adafactor")
_DEFAULT = re.compile(r"\s*\(default: (?:[^()]|\([^()]*\))*\)")


class TorchOptimizer(Optimizer):
    """Any optimizer by its class: of torch, such as `Muon`, or of an installed package, such as `lion_pytorch.Lion`.

    The package is imported when training starts. A closure is not given, so that `LBFGS` is none of them.

    Parameters
    ----------
    optimizer
        Name of a class of torch.optim, or module and class with a dot between them.
    parameters
        Parameters of the class, less the step size and the weight decay, which the spec has.
    elementwise
        Whether it treats every number of a parameter by itself, so that members of an ensemble may be trained side by
        side.
    """

    name: ClassVar[str] = "torch"

    def __init__(self, *, optimizer: str, parameters: dict[str, Any] = {}, elementwise: bool = False) -> None:  # noqa: B006  # never modified
        self.optimizer = optimizer
        self.parameters = parameters
        self.elementwise = elementwise
        package = optimizer.partition(".")[0]
        if "." not in optimizer:
            _require_parameters(_torch_class(optimizer), parameters)
        elif importlib.util.find_spec(package) is None:
            raise ValueError(f"expected an installed package, found none called '{package}'\n  pip install it")

    @classmethod
    def test_params(cls) -> dict[str, Any]:
        return {"optimizer": "SGD", "parameters": {"momentum": 0.5}}

    def _start(self, groups: Sequence[ParameterGroup]) -> torch.optim.Optimizer:
        module, _, name = self.optimizer.rpartition(".")
        return _started(_imported(module, name) if module else _torch_class(name), groups, self.parameters)


def _imported(module: str, name: str) -> type:
    try:
        cls = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        fix = "correct the name, or install the package"
        raise SpecError(str(error), where=f"optimizer 'torch', {module}.{name}", fix=fix) from error
    if not (inspect.isclass(cls) and issubclass(cls, torch.optim.Optimizer)):
        problem = "expected a subclass of torch.optim.Optimizer"
        raise SpecError(problem, where=f"optimizer 'torch', {module}.{name}", fix="name another class")
    return cls


def _torch_class(name: str) -> type[torch.optim.Optimizer]:
    """Return an optimizer of torch that takes no closure."""
    usable = [key for key, value in vars(torch.optim).items() if _is_optimizer(value) and key != "LBFGS"]
    if name not in usable:
        raise ValueError(
            f"expected an optimizer of torch.optim, found '{name}'\n{choices(name, sorted(usable), 'available')}"
        )
    return getattr(torch.optim, name)


def _is_optimizer(value: Any) -> bool:
    return inspect.isclass(value) and issubclass(value, torch.optim.Optimizer) and value is not torch.optim.Optimizer


def _started(
    cls: type[torch.optim.Optimizer], groups: Sequence[ParameterGroup], parameters: Mapping[str, Any]
) -> torch.optim.Optimizer:
    _require_parameters(cls, parameters)
    accepted = inspect.signature(cls).parameters
    if "weight_decay" not in accepted:
        if any(group["weight_decay"] for group in groups):
            raise ValueError(f"{cls.__name__} has no weight decay: expected training.weight_decay 0, found another")
        return cls([{"params": group["params"]} for group in groups], **parameters)
    return cls([dict(group) for group in groups], **parameters)


def _require_parameters(cls: type, parameters: Mapping[str, Any]) -> None:
    known = [name for name in inspect.signature(cls).parameters if name not in (*_OF_THE_SPEC, "maximize")]
    unknown = [name for name in parameters if name not in known]
    if unknown:
        raise ValueError(f"{cls.__name__} has no parameter '{unknown[0]}'\n{choices(unknown[0], known, 'it has')}")


class _TorchByName(Optimizer):
    """One optimizer of torch."""

    torch_class: ClassVar[type[torch.optim.Optimizer]]
    parameters: Mapping[str, Any]

    def _start(self, groups: Sequence[ParameterGroup]) -> torch.optim.Optimizer:
        return _started(self.torch_class, groups, self.parameters)


def _component(cls: type[torch.optim.Optimizer]) -> type[Optimizer]:
    """Make a component of an optimizer of torch: its signature is the schema, its docstring the description."""
    attributes = {
        "name": cls.__name__.lower(),
        "torch_class": cls,
        "elementwise": cls.__name__ in _ELEMENTWISE,
        "__init__": _constructor(cls),
        "__doc__": _docstring(cls),
        "__module__": __name__,
    }
    return type(f"{cls.__name__}Optimizer", (_TorchByName,), attributes)


def _constructor(cls: type) -> Callable[..., None]:
    hints = typing.get_type_hints(cls.__init__)  # type: ignore[misc]
    parameters = [
        p.replace(kind=p.KEYWORD_ONLY, annotation=_without_tensors(hints[p.name]))
        for p in inspect.signature(cls.__init__).parameters.values()  # type: ignore[misc]
        if p.name not in (*_OF_THE_SPEC, *_HOW_TO_COMPUTE)
    ]

    def constructor(self: _TorchByName, **values: Any) -> None:
        self.parameters = {p.name: values.get(p.name, p.default) for p in parameters}

    owner = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    constructor.__signature__ = inspect.Signature([owner, *parameters])  # type: ignore[attr-defined]
    constructor.__annotations__ = {p.name: p.annotation for p in parameters}
    return constructor


def _without_tensors(annotation: Any) -> Any:
    """Return a type without the tensors that torch takes in place of numbers."""
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return typing.Union[tuple(_without_tensors(one) for one in args if one is not Tensor)]  # noqa: UP007
    return origin[tuple(map(_without_tensors, args))] if origin is tuple else annotation


def _docstring(cls: type) -> str:
    """Write the docstring of a component from torch's."""
    text = inspect.cleandoc(cls.__doc__ or "")
    found = re.findall(r"^ {2,4}(\w+) \([^\n]*?\):(.*?)(?=^ {2,4}\w+ \(|^\S|\Z)", text, re.M | re.S)
    said = {name: re.sub(r"\s+", " ", _DEFAULT.sub("", words).replace("`", "")).strip() for name, words in found}
    names = [name for name in inspect.signature(cls).parameters if name not in (*_OF_THE_SPEC, *_HOW_TO_COMPUTE)]
    listed = "\n".join(f"{name}\n    {said.get(name) or 'as of the class of torch'}" for name in names)
    summary = text.split("\n", 1)[0].removeprefix("Implements ").rstrip(".")
    head = f"{summary[:1].upper()}{summary[1:]} (torch.optim.{cls.__name__})."
    return f"{head}\n\nParameters\n----------\n{listed}\n" if names else head


globals().update({cls.__name__: cls for cls in (_component(getattr(torch.optim, name)) for name in _NAMED)})
