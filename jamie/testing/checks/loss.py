"""Loss terms."""

from __future__ import annotations

import inspect
from itertools import product

import torch
from torch import Tensor

from jamie.core.batch import Batch
from jamie.core.interfaces import Loss
from jamie.testing import toy
from jamie.testing.clause import build, require, require_equal, require_finite, unmodified


def check_is_a_finite_scalar(component: type[Loss]) -> None:
    """One finite number, for two and three modalities, with some cells matched and with none."""
    for n_modalities, matched in product((2, 3), (True, False)):
        for inferred in {True, "inferred" in component.requires}:
            case = f"{n_modalities} modalities, {'some' if matched else 'no'} cells matched"
            value = _value(component, _batch(component, n_modalities, matched=matched, inferred=inferred))
            scalar = isinstance(value, Tensor) and value.ndim == 0
            require(scalar, component, f"a scalar ({case})", expected="a tensor of no dimension", found=value)
            require_finite(component, f"a finite value ({case})", value)


def check_is_finite_for_counts(component: type[Loss]) -> None:
    """Decoders may predict counts, by a distribution that is not Gaussian."""
    if "shared" in component.requires:
        return
    model = toy.Model(counts=True)
    given = toy.of_counts(toy.batch(3))
    value = build(component)(given, model(given))
    require_finite(component, "a finite value where decoders predict counts", value)
    _require_finite_gradients(component, value, model)


def check_gradient_reaches_the_model(component: type[Loss]) -> None:
    """Some parameter of the model gets a gradient, and none gets one that is not finite."""
    model, given = _model(component), _batch(component, 3)
    value = build(component)(given, model(given))
    require(value.requires_grad, component, "has a gradient", expected="one that reaches the model", found="none")
    moved = any(bool(gradient.abs().sum() > 0) for gradient in _require_finite_gradients(component, value, model))
    require(moved, component, "the gradient moves the model", expected="one that is not zero", found="zeros")


def check_is_a_mean_over_cells(component: type[Loss]) -> None:
    """A minibatch with every cell in it twice, each copy with its own partners, has the same loss."""
    for n_modalities in (2, 3):
        given = _batch(component, n_modalities)
        once, double = _value(component, given), _value(component, toy.twice(given))
        require_equal(component, "a mean over cells: each cell twice changes nothing", double, once)


def check_ignores_the_order_of_cells(component: type[Loss]) -> None:
    """The order of the cells in a minibatch means nothing."""
    given = _batch(component, 3)
    found = _value(component, toy.reordered(given, toy.orders(3)))
    require_equal(component, "the order of cells means nothing", found, _value(component, given))


def check_leaves_inputs_alone(component: type[Loss]) -> None:
    """Neither the minibatch nor the model's output is modified."""
    given = _batch(component)
    output = _model(component)(given)
    tensors = {f"x of {m}": v for m, v in given.x.items()} | {f"target of {m}": v for m, v in given.target.items()}
    tensors |= {f"z of {m}": v for m, v in output.z.items()}
    tensors |= {f"aggregated {m}": v for m, v in output.aggregated.items()}
    tensors |= {f"blocks {pair}": v for pair, v in given.blocks.by_pair.items()}
    tensors |= {f"inferred {pair}": v for pair, v in given.inferred.by_pair.items()} if given.inferred else {}
    with unmodified(component, **tensors):
        build(component)(given, output)


def check_has_no_weight_of_its_own(component: type[Loss]) -> None:
    """Weight and schedule belong to the spec; a keyword of that name would never be set."""
    taken = sorted(set(inspect.signature(component).parameters) & Loss.reserved)
    require(not taken, component, "weight and schedule belong to the spec", expected="other keywords", found=taken)


def _batch(component: type[Loss], n_modalities: int = 2, **settings: bool) -> Batch:
    return toy.batch(n_modalities, shared="shared" in component.requires, **settings)


def _model(component: type[Loss]) -> toy.Model:
    return toy.Model(shared="shared" in component.requires)


def _value(component: type[Loss], given: Batch) -> Tensor:
    return build(component)(given, _model(component)(given))


def _require_finite_gradients(component: type[Loss], value: Tensor, model: toy.Model) -> list[Tensor]:
    if not value.requires_grad:
        return []
    gradients = torch.autograd.grad(value, list(model.parameters()), allow_unused=True)
    found = [gradient for gradient in gradients if gradient is not None]
    for gradient in found:
        require_finite(component, "the gradient", gradient)
    return found
