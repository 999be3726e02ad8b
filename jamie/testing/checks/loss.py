"""Loss terms."""

from __future__ import annotations

import inspect
from itertools import product

import torch
from torch import Tensor

from jamie.core.batch import Batch
from jamie.core.interfaces import Loss
from jamie.testing import toy
from jamie.testing.assertions import build, require, require_equal, require_finite, unmodified


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
    if "shared" not in component.requires:
        model, batch = toy.Model(counts=True), toy.with_count_targets(toy.batch(3))
        value = _evaluate(build(component), batch, model)
        require_finite(component, "a finite value where decoders predict counts", value)
        require_finite(component, "the gradient", _gradients(value, model))


def check_gradient_reaches_the_model(component: type[Loss]) -> None:
    """Some parameter of the model gets a gradient, and none gets one that is not finite."""
    model, batch = _model(component), _batch(component, 3)
    value = _evaluate(build(component), batch, model)
    require(value.requires_grad, component, "has a gradient", expected="one that reaches the model", found="none")
    gradients = _gradients(value, model)
    require_finite(component, "the gradient", gradients)
    moved = any(bool(gradient.abs().sum() > 0) for gradient in gradients)
    require(moved, component, "the gradient moves the model", expected="one that is not zero", found="zeros")


def check_is_a_mean_over_cells(component: type[Loss]) -> None:
    """A minibatch with every cell in it twice, each copy with its own partners, has the same loss."""
    for n_modalities in (2, 3):
        batch = _batch(component, n_modalities)
        single, double = _value(component, batch), _value(component, toy.duplicate_cells(batch))
        require_equal(component, "a mean over cells: each cell twice changes nothing", double, single)


def check_ignores_the_order_of_cells(component: type[Loss]) -> None:
    """The order of the cells in a minibatch means nothing."""
    batch = _batch(component, 3)
    found = _value(component, toy.reorder_cells(batch, toy.random_orders(3)))
    require_equal(component, "the order of cells means nothing", found, _value(component, batch))


def check_member_axis(component: type[Loss]) -> None:
    """With `member_axis`, a leading axis gives the value and the gradient of each member's minibatch."""
    if not component.member_axis:
        return
    loss, model = build(component), _model(component)
    batches = [_batch(component, 3), toy.other_values(_batch(component, 3))]
    values = torch.stack([_evaluate(loss, batch, model) for batch in batches])
    joined = toy.side_by_side(batches)
    found = _evaluate(loss, joined, model)
    require_equal(component, "a value of each member", found, values)
    gradients = [_gradients((torch.tensor([1.0, 3.0]) * value).sum(), model) for value in (found, values)]
    require_equal(component, "the gradient of each member", *gradients)


def check_leaves_inputs_alone(component: type[Loss]) -> None:
    """Neither the minibatch nor the model's output is modified."""
    loss = build(component)
    batch = toy.with_batch_elements(_batch(component), loss)
    output = _model(component)(batch)
    with unmodified(component, batch=batch, output=output):
        loss(batch, output)


def check_has_no_weight_of_its_own(component: type[Loss]) -> None:
    """Weight and schedule belong to the spec; a keyword of that name would never be set."""
    taken = sorted(set(inspect.signature(component).parameters) & Loss.reserved)
    require(not taken, component, "weight and schedule belong to the spec", expected="other keywords", found=taken)


def _batch(component: type[Loss], n_modalities: int = 2, **settings: bool) -> Batch:
    return toy.batch(n_modalities, shared="shared" in component.requires, **settings)


def _model(component: type[Loss]) -> toy.Model:
    return toy.Model(shared="shared" in component.requires)


def _value(component: type[Loss], batch: Batch) -> Tensor:
    return _evaluate(build(component), batch, _model(component))


def _evaluate(loss: Loss, batch: Batch, model: toy.Model) -> Tensor:
    """Value of a loss, which is given what it declares to read of the minibatch."""
    return loss(toy.with_batch_elements(batch, loss), model(batch))


def _gradients(value: Tensor, model: toy.Model) -> tuple[Tensor, ...]:
    if not value.requires_grad:
        return ()
    gradients = torch.autograd.grad(value, list(model.parameters()), allow_unused=True)
    return tuple(gradient for gradient in gradients if gradient is not None)
