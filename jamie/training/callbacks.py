"""Callbacks of a training: called after each epoch, without a part in its result."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from jamie.core.interfaces import Callback
from jamie.core.interfaces.callback import Epoch

log = logging.getLogger(__name__)


@dataclass
class Callbacks:
    """Callbacks of members of an ensemble that are trained side by side.

    Parameters
    ----------
    components
        What is called.
    max_epochs
        Epochs after which training stops anyway.
    first
        Number of the first of the members.
    device
        Of the training, whose random numbers are left as they are.
    """

    components: Sequence[Callback]
    max_epochs: int
    first: int = 0
    device: str = "cpu"

    def after_epoch(
        self, number: int, losses: Sequence[Mapping[str, float]], network: Callable[[int], nn.Module]
    ) -> str:
        """Call them; return the name of the first that asks to stop, empty if none does.

        One that fails is left out from then on, with a warning.
        """
        epoch = Epoch(number, self.max_epochs, tuple(losses), self.first, network)
        asking, sound = "", []
        for callback in self.components:
            try:
                with torch.random.fork_rng(devices=[self.device] if torch.device(self.device).type == "cuda" else []):
                    stops = callback.after_epoch(epoch)
            except Exception as error:  # the author's code may fail in any way
                problem = f"{type(error).__name__}: {error}"
                log.warning("callback '%s' failed after epoch %d and is left out: %s", callback.name, number, problem)
                continue
            sound.append(callback)
            asking = asking or (callback.name if stops else "")
        self.components = sound
        return asking
