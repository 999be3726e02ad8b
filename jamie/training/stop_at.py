"""A callback that stops training by the clock or by the loss."""

from __future__ import annotations

import time
from typing import Annotated, ClassVar

from pydantic import Field

from jamie.core.interfaces import Callback
from jamie.core.interfaces.callback import Epoch


class StopAt(Callback):
    """Stops training after some time, or once the loss of every network is small enough.

    Parameters
    ----------
    minutes
        Minutes since the first epoch that this process trained; null for no limit.
    loss
        What the loss that decides (`validation` if there are such cells, else `loss`) is to reach; null for no limit.
    """

    name: ClassVar[str] = "stop_at"

    def __init__(self, *, minutes: Annotated[float, Field(gt=0)] | None = None, loss: float | None = None) -> None:
        self.minutes = minutes
        self.loss = loss
        self._started: float | None = None

    def _after_epoch(self, epoch: Epoch) -> bool:
        if self._started is None:
            self._started = time.monotonic()
        late = self.minutes is not None and time.monotonic() - self._started >= 60 * self.minutes
        deciding = (values.get("validation", values["loss"]) for values in epoch.losses)
        return late or (self.loss is not None and max(deciding) <= self.loss)
