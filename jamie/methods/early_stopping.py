"""Training of small networks on known pairs until pairs set aside no longer improve."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jamie.core.context import Context
from jamie.core.errors import TrainingError

if TYPE_CHECKING:
    from torch import Tensor, nn

log = logging.getLogger(__name__)

AT_LEAST = 5  # pairs, one of which is set aside
Group = tuple[str, str]
Loss = Callable[[Group, NDArray[np.int64]], "Tensor"]  # mean over these pairs of two modalities


@dataclass(frozen=True)
class Training:
    """How a network is trained, by Adam.

    Parameters
    ----------
    learning_rate, weight_decay
        Of Adam.
    batch_size
        Pairs in a minibatch.
    max_epochs
        Most passes over the pairs.
    patience
        Passes without improvement, on the pairs set aside, after which training ends.
    validation
        Part of the pairs that is set aside.
    """

    learning_rate: float
    weight_decay: float
    batch_size: int
    max_epochs: int
    patience: int
    validation: float = 0.1


def train(network: nn.Module, loss: Loss, sizes: Mapping[Group, int], training: Training, context: Context) -> None:
    """Train a network, and leave it at its best state, in evaluation mode.

    Parameters
    ----------
    network
        Whose parameters are changed.
    loss
        Mean loss of some pairs, by index, of two modalities.
    sizes
        How many pairs each two modalities have.
    training
        Rates and limits.
    context
        Randomness and progress.

    Raises
    ------
    TrainingError
        Where the loss is not finite.
    """
    import torch

    generator = context.for_stage(f"{context.stage}/minibatches").generator()
    orders = {group: generator.permutation(n) for group, n in sizes.items()}
    n_aside = {group: max(1, round(training.validation * n)) for group, n in sizes.items()}
    aside = [(group, order[: n_aside[group]]) for group, order in orders.items()]
    fitted = {group: order[n_aside[group] :] for group, order in orders.items()}
    optimizer = torch.optim.Adam(network.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay)
    best, best_epoch, best_state = math.inf, 0, copy.deepcopy(network.state_dict())
    for epoch in range(training.max_epochs):
        network.train()
        for group, index in _minibatches(fitted, training.batch_size, generator):
            optimizer.zero_grad()
            loss(group, index).backward()
            optimizer.step()
        found = _validation(network, loss, aside)
        context.progress(context.stage, epoch + 1, training.max_epochs, {"validation": found})
        _require_finite(found, epoch, context.stage)
        if found < best:
            best, best_epoch, best_state = found, epoch, copy.deepcopy(network.state_dict())
        elif epoch - best_epoch >= training.patience:
            break
    network.load_state_dict(best_state)
    log.info("%s: best after %d passes, validation loss %.4f", context.stage, best_epoch + 1, best)


def _validation(network: nn.Module, loss: Loss, aside: Sequence[tuple[Group, NDArray[np.int64]]]) -> float:
    """Mean loss of the pairs set aside; the network is left in evaluation mode."""
    import torch

    network.eval()
    with torch.no_grad():
        return float(np.mean([loss(group, index).item() for group, index in aside]))


def _require_finite(found: float, epoch: int, stage: str) -> None:
    if not math.isfinite(found):
        raise TrainingError(
            f"expected a finite loss, found {found} in pass {epoch + 1}",
            where=stage,
            fix="lower learning_rate, or standardize the features",
        )


def _minibatches(
    fitted: Mapping[Group, NDArray[np.int64]], size: int, generator: np.random.Generator
) -> Iterator[tuple[Group, NDArray[np.int64]]]:
    """All pairs once, in minibatches of about one size: never of a single pair, which has no spread."""
    parts: Sequence[tuple[Group, NDArray[np.int64]]] = [
        (group, part)
        for group, pairs in fitted.items()
        for part in np.array_split(generator.permutation(pairs), min(math.ceil(len(pairs) / size), len(pairs) // 2))
    ]
    return (parts[i] for i in generator.permutation(len(parts)))
