"""BABEL: an encoder and a decoder for each modality, any encoder's latents going to any decoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, product
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat, PositiveInt

from jamie.core.context import Context
from jamie.core.data import Cells
from jamie.core.interfaces import Method
from jamie.methods.known_pairs import Direction, known_pairs
from jamie.methods.network_training import FEWEST_PAIRS, NetworkTraining, predict, restore_network, state_of_network

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(kw_only=True, eq=False)
class BABEL(Method):
    """Autoencoders of all modalities whose latents are exchanged (BABEL).

    With encoders e and decoders d, each of two layers with batch normalization and PReLU between, the loss of a
    matched pair of cells x, y is that of all four paths,

    ``|d_x(e_x(x)) - x|^2 + |d_y(e_y(y)) - y|^2 + w |d_y(e_x(x)) - y|^2 + w |d_x(e_y(y)) - x|^2``

    each error a mean over the features; for more modalities, the sum over each two. Trained on known pairs only, as
    in the paper, with early stopping on a tenth of them. Losses are Gaussian, since modalities are preprocessed to
    continuous scores here: the paper's are those of counts (negative binomial) and of binary peaks (cross-entropy),
    and its encoder of peaks has a part for each chromosome, which scores do not have.

    Parameters
    ----------
    n_components : int
        Latent dimensions, the paper's 16.
    n_hidden : int
        Width of the hidden layers, the paper's 64.
    cross_weight : float
        Weight w of the two paths from one modality to the other.
    learning_rate : float
        Of Adam.
    weight_decay : float
        Penalty on the squares of the weights; the paper has more cells and none. With 0.01 instead of 0.0001 the mean
        correlation on snareseq_cortex rose from 0.020 / 0.082 to 0.037 / 0.129, and fell on no data set.
    batch_size : int
        Pairs in a minibatch.
    max_epochs : int
        Largest number of epochs.
    patience : int
        Epochs without a lower validation loss after which training ends.
    """

    name: ClassVar[str] = "babel"
    references: ClassVar[tuple[str, ...]] = ("10.1073/pnas.2023070118",)
    needs: ClassVar[frozenset[str]] = frozenset({"pairs"})

    n_components: PositiveInt = 16
    n_hidden: PositiveInt = 64
    cross_weight: PositiveFloat = 1.0
    learning_rate: PositiveFloat = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 1e-2
    batch_size: PositiveInt = 64
    max_epochs: PositiveInt = 500
    patience: PositiveInt = 25

    @classmethod
    def test_params(cls) -> dict[str, Any]:
        return {"n_components": 3, "n_hidden": 8, "max_epochs": 5}

    def _fit(self, cells: Cells, context: Context) -> None:
        import torch
        from torch import nn

        from jamie.training.randomness import seeded

        self._device = context.device
        with seeded(context):
            # no ModuleDict, which refuses names with a dot and a few reserved names, which modalities may have
            self._encoders = {m: self._encoder(x.shape[1]) for m, x in cells.scores.items()}
            self._decoders = {m: self._decoder(y.shape[1]) for m, y in cells.targets.items()}
            network = nn.ModuleList([*self._encoders.values(), *self._decoders.values()]).to(context.device)
            index = {
                pair: known_pairs(cells, *pair, method=self.name, at_least=FEWEST_PAIRS)
                for pair in combinations(cells.modalities, 2)
            }
            scores, targets = (
                {
                    pair: {
                        m: torch.as_tensor(values[m][i], device=context.device) for m, i in zip(pair, rows, strict=True)
                    }
                    for pair, rows in index.items()
                }
                for values in (cells.scores, cells.targets)
            )

            def loss(pair: Direction, batch: NDArray[np.int64]) -> Tensor:
                x, y = ({m: v[batch] for m, v in values[pair].items()} for values in (scores, targets))
                return self._four_paths(x, y)

            training = NetworkTraining(
                self.learning_rate, self.weight_decay, self.batch_size, self.max_epochs, self.patience
            )
            training.fit(network, loss, {pair: len(rows) for pair, (rows, _) in index.items()}, context)

    def _four_paths(self, x: Mapping[str, Tensor], y: Mapping[str, Tensor]) -> Tensor:
        """Weighted sum of the errors of the paths from either modality to either."""
        import torch
        from torch.nn.functional import mse_loss

        z = {m: self._encoders[m](v) for m, v in x.items()}
        weight = {True: 1.0, False: self.cross_weight}
        losses = [weight[a == b] * mse_loss(self._decoders[b](z[a]), y[b]) for a, b in product(x, repeat=2)]
        return torch.stack(losses).sum()

    def _encoder(self, n_in: int) -> nn.Module:
        from torch import nn

        return nn.Sequential(*self._layers(n_in, self.n_components))

    def _decoder(self, n_out: int) -> nn.Module:
        from torch import nn

        return nn.Sequential(nn.PReLU(), *self._layers(self.n_components, n_out))

    def _layers(self, n_in: int, n_out: int) -> list[nn.Module]:
        from torch import nn

        hidden = self.n_hidden
        return [nn.Linear(n_in, hidden), nn.BatchNorm1d(hidden), nn.PReLU(), nn.Linear(hidden, n_out)]

    def _embed(self, scores: Mapping[str, NDArray[np.float32]] | None) -> Mapping[str, NDArray[np.floating]]:
        return {m: predict(self._encoders[m], x, self._device) for m, x in (scores or {}).items()}

    def _impute(self, scores: NDArray[np.float32], source: str, target: str) -> NDArray[np.floating]:
        latents = predict(self._encoders[source], scores, self._device)
        return predict(self._decoders[target], latents, self._device)

    def _state(self) -> Mapping[Any, Any]:
        networks = {"encoders": self._encoders, "decoders": self._decoders}
        return {side: {m: state_of_network(one) for m, one in of.items()} for side, of in networks.items()}

    def _set_state(self, state: Mapping[Any, Any]) -> None:
        self._device = "cpu"
        self._encoders = {
            m: restore_network(self._encoder(weights["0.weight"].shape[1]), weights)
            for m, weights in state["encoders"].items()
        }
        self._decoders = {
            m: restore_network(self._decoder(weights["4.weight"].shape[0]), weights)
            for m, weights in state["decoders"].items()
        }
