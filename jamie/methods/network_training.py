"""Training of small networks on known pairs, with early stopping on validation pairs."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jamie.core.context import Context
from jamie.core.errors import TrainingError
from jamie.methods.known_pairs import Direction

if TYPE_CHECKING:
    from torch import Tensor, nn

log = logging.getLogger(__name__)

FEWEST_PAIRS = 5  # one of which is for validation
PairIndices = Mapping[Direction, NDArray[np.int64]]
Loss = Callable[[Direction, NDArray[np.int64]], "Tensor"]  # mean over these pairs of two modalities


@dataclass(frozen=True)
class NetworkTraining:
    """How a network is trained, by Adam.

    Parameters
    ----------
    learning_rate, weight_decay
        Of Adam.
    batch_size
        Pairs in a minibatch.
    max_epochs
        Largest number of epochs.
    patience
        Epochs without a lower validation loss after which training ends.
    validation
        Fraction of the pairs that is for validation.
    """

    learning_rate: float
    weight_decay: float
    batch_size: int
    max_epochs: int
    patience: int
    validation: float = 0.1

    def fit(self, network: nn.Module, loss: Loss, n_pairs: Mapping[Direction, int], context: Context) -> None:
        """Train a network, and leave it at its best state, in evaluation mode.

        Parameters
        ----------
        network
            Its parameters are changed.
        loss
            Mean loss of the pairs of two modalities with the given indices.
        n_pairs
            Number of pairs of each two modalities.
        context
            Randomness and progress.

        Raises
        ------
        TrainingError
            If the loss is not finite.
        """
        import torch

        generator = context.for_stage(f"{context.stage}/minibatches").generator()
        orders = {pair: generator.permutation(n) for pair, n in n_pairs.items()}
        n_validation = {pair: max(1, round(self.validation * n)) for pair, n in n_pairs.items()}
        validation = {pair: order[: n_validation[pair]] for pair, order in orders.items()}
        training = {pair: order[n_validation[pair] :] for pair, order in orders.items()}
        optimizer = torch.optim.Adam(network.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay)
        best, best_epoch, best_state = math.inf, 0, copy.deepcopy(network.state_dict())
        for epoch in range(self.max_epochs):
            network.train()
            for pair, index in _minibatches(training, self.batch_size, generator):
                optimizer.zero_grad()
                loss(pair, index).backward()
                optimizer.step()
            network.eval()
            with torch.no_grad():
                value = float(np.mean([loss(pair, index).item() for pair, index in validation.items()]))
            context.progress(context.stage, epoch + 1, self.max_epochs, {"validation": value})
            _require_finite(value, epoch, context.stage)
            if value < best:
                best, best_epoch, best_state = value, epoch, copy.deepcopy(network.state_dict())
            elif epoch - best_epoch >= self.patience:
                break
        network.load_state_dict(best_state)
        log.info("%s: best after %d epochs, validation loss %.4f", context.stage, best_epoch + 1, best)


def _require_finite(loss: float, epoch: int, stage: str) -> None:
    if not math.isfinite(loss):
        raise TrainingError(
            f"expected a finite loss, found {loss} in epoch {epoch + 1}",
            where=stage,
            fix="lower learning_rate, or standardize the features",
        )


def _minibatches(
    pairs: PairIndices, size: int, generator: np.random.Generator
) -> Iterator[tuple[Direction, NDArray[np.int64]]]:
    """All pairs once, in minibatches of about one size: never of a single pair, which has no spread."""
    batches = [
        (modalities, batch)
        for modalities, index in pairs.items()
        for batch in np.array_split(generator.permutation(index), min(math.ceil(len(index) / size), len(index) // 2))
    ]
    return (batches[i] for i in generator.permutation(len(batches)))


def state_of_network(network: nn.Module) -> dict[str, Tensor]:
    """Return parameters and buffers by name."""
    return dict(network.state_dict())


def restore_network(network: nn.Module, state: Mapping[str, NDArray[Any]]) -> nn.Module:
    """Give a network of the same layers, on the CPU, the values that `state_of_network` gave."""
    import torch

    network.load_state_dict({name: torch.tensor(values) for name, values in state.items()})
    return network.eval()


def predict(network: nn.Module, scores: NDArray[np.float32], device: str) -> NDArray[np.float32]:
    """Output (n, t) of a network for cells (n, d)."""
    import torch

    with torch.no_grad():
        return np.asarray(network(torch.as_tensor(scores, device=device)).cpu())
