"""Loss terms."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from jamie.core.batch import Batch, Output
from jamie.core.component import Component


class Loss(Component, nn.Module):
    """One unweighted term of the objective, a mean over cells; weight and schedule belong to the spec.

    `requires` names what the term reads beside the batch's own cells: ``"inferred"`` (an inferred correspondence),
    ``"known"`` (known pairs), ``"shared"`` (decoders that predict what the encoders read, so that what was decoded can
    be encoded). `validates` says that it measures prediction: such terms decide, on validation cells,
    when training stops and which state is kept. `regularizes` says that it holds the model back: its weight follows
    `training.reference_cells`.
    """

    kind: ClassVar[str] = "loss"
    reserved: ClassVar[frozenset[str]] = frozenset({"weight", "schedule"})
    requires: ClassVar[frozenset[str]] = frozenset()
    validates: ClassVar[bool] = False
    regularizes: ClassVar[bool] = False

    @abstractmethod
    def forward(self, batch: Batch, output: Output) -> Tensor:
        """Return the term as a scalar tensor with a gradient."""
