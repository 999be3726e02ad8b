"""Optimizers: how parameters move along their gradients."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, TypedDict

import torch
from torch import Tensor

from jamie.core.component import Component
from jamie.core.errors import JamieError, SpecError


class ParameterGroup(TypedDict):
    """Parameters that share their weight decay, as torch's optimizers take them."""

    params: Sequence[Tensor]
    weight_decay: float


class Steps(Protocol):
    """What trains a model: a step after each minibatch, and a state that a checkpoint keeps."""

    def step(self, learning_rate: float) -> None:
        """Move the parameters along their gradients, `grad`; one without a gradient stays."""

    def state(self) -> dict[str, Tensor]:
        """All that `set_state` needs to go on with the same numbers."""

    def set_state(self, saved: Mapping[str, Tensor]) -> None:
        """Continue from a `state`."""


class Optimizer(Component):
    """Moves the parameters of the model along their gradients.

    Any `torch.optim.Optimizer` will do: the component makes one of the groups that it is given. The step size is set
    before each step, by the spec; the gradients are clipped already. Without torch's class, it returns an
    object with ``step(learning_rate)``, ``state()`` and ``set_state(saved)``.

    An optimizer that is `elementwise` treats every number of a parameter by itself. The members of an ensemble are
    then trained side by side, their parameters stacked along a first axis; else one after the other.

    Examples
    --------
    >>> class Momentum(Optimizer):
    ...     '''Gradient descent with momentum.'''
    ...
    ...     name = "momentum"
    ...     elementwise = True
    ...
    ...     def _start(self, groups):
    ...         return torch.optim.SGD(groups, lr=1.0, momentum=0.9)
    >>> weight = torch.ones(2, requires_grad=True)
    >>> steps = Momentum().start([{"params": [weight], "weight_decay": 0.0}])
    >>> weight.sum().backward()
    >>> steps.step(0.25)
    >>> weight.tolist()
    [0.75, 0.75]
    """

    kind: ClassVar[str] = "optimizer"
    elementwise: bool = False

    def start(self, groups: Sequence[ParameterGroup]) -> Steps:
        """Return what moves these parameters.

        Parameters
        ----------
        groups
            Parameters, leaves of the graph, by weight decay: vectors such as biases have none.

        Raises
        ------
        SpecError
            Where the optimizer refuses its parameters or the groups.
        """
        filled = [group for group in groups if group["params"]]
        try:
            made: Any = self._start(filled)
        except JamieError:
            raise
        except (TypeError, ValueError) as error:  # torch's way to refuse a parameter
            fix = "correct its parameters; `jamie show optimizer` says what they mean"
            raise SpecError(str(error), where=f"optimizer '{self.name}'", fix=fix) from error
        if isinstance(made, torch.optim.Optimizer):
            return _TorchSteps(made)
        missing = [name for name in ("step", "state", "set_state") if not callable(getattr(made, name, None))]
        if missing:
            raise self._contract_error(
                f"expected _start to return a torch.optim.Optimizer, found {type(made).__name__}",
                f"return one, or define {', '.join(missing)}",
            )
        return made

    @abstractmethod
    def _start(self, groups: Sequence[ParameterGroup]) -> torch.optim.Optimizer | Steps: ...


class _TorchSteps:
    """Steps of a torch optimizer."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self._optimizer = optimizer

    def step(self, learning_rate: float) -> None:
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        self._optimizer.step()

    def state(self) -> dict[str, Tensor]:
        saved = self._optimizer.state_dict()
        values = {f"slot.{i}.{name}": value for i, slots in saved["state"].items() for name, value in slots.items()}
        for i, group in enumerate(saved["param_groups"]):
            values |= {f"group.{i}.{name}": value for name, value in group.items()}
        tensors = {name: value for name, value in values.items() if isinstance(value, Tensor)}
        numbers = {name: value for name, value in values.items() if isinstance(value, int | float)}
        return tensors | {f"number.{name}": _as_tensor(value) for name, value in numbers.items()}

    def set_state(self, saved: Mapping[str, Tensor]) -> None:
        groups: list[dict[str, Any]] = [dict(group) for group in self._optimizer.state_dict()["param_groups"]]
        slots: dict[int, dict[str, Any]] = {}
        for key, value in saved.items():
            plain = value.item() if key.startswith("number.") else value
            part, i, name = key.removeprefix("number.").split(".", 2)
            owner = groups[int(i)] if part == "group" else slots.setdefault(int(i), {})
            owner[name] = plain
        self._optimizer.load_state_dict({"state": slots, "param_groups": groups})


def _as_tensor(number: float) -> Tensor:
    return torch.tensor(number, dtype=torch.float64 if isinstance(number, float) else None)
