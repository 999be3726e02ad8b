"""Callbacks: what is done after each epoch of training."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from torch import nn

from jamie.core.component import Component


@dataclass(frozen=True)
class Epoch:
    """State of a training at the end of an epoch.

    Parameters
    ----------
    number
        Of the epoch, from 0.
    max_epochs
        Epochs after which training stops anyway.
    losses
        For each member of the ensemble that is trained here: ``loss``, the weighted total, each term unweighted, and
        ``validation`` if there are validation cells.
    first
        Number of the first of these members.

    Examples
    --------
    >>> Epoch(4, 50, ({"loss": 1.5, "kl": 0.5},)).losses[0]["kl"]
    0.5
    """

    number: int
    max_epochs: int
    losses: tuple[Mapping[str, float], ...]
    first: int = 0
    _network: Callable[[int], nn.Module] | None = field(default=None, repr=False, compare=False)

    def network(self, member: int = 0) -> nn.Module:
        """Return a copy of a member's network as it is now, in evaluation mode; changing it changes nothing."""
        if self._network is None:
            raise ValueError("this epoch has no networks")
        return self._network(member).eval()


class Callback(Component):
    """Is called after each epoch of training; may ask to stop.

    It watches: networks are copies, random numbers that it draws do not reach the training. If it fails, that is said
    once, it is not called again, and training goes on to the same result. Of a run that was stopped and resumed it sees
    the epochs that are left.

    Examples
    --------
    >>> class Enough(Callback):
    ...     '''Stops once the loss is small.'''
    ...
    ...     name = "enough"
    ...
    ...     def __init__(self, *, loss: float = 0.1) -> None:
    ...         self.loss = loss
    ...
    ...     def _after_epoch(self, epoch):
    ...         return max(values["loss"] for values in epoch.losses) < self.loss
    >>> Enough().after_epoch(Epoch(4, 50, ({"loss": 0.05},)))
    True
    """

    kind: ClassVar[str] = "callback"

    def after_epoch(self, epoch: Epoch) -> bool:
        """Look at an epoch.

        Parameters
        ----------
        epoch
            Losses and, on request, networks.

        Returns
        -------
        bool
            Whether training is to stop here; each network then gets its best state so far, or, before `min_epochs`,
            its present one.

        Raises
        ------
        ContractError
            Where `_after_epoch` returns something else than a bool or None.
        """
        found = self._after_epoch(epoch)
        if found is not None and not isinstance(found, bool):
            raise self._contract_error(
                f"expected _after_epoch to return a bool or None, found {type(found).__name__}", "return True to stop"
            )
        return bool(found)

    @abstractmethod
    def _after_epoch(self, epoch: Epoch) -> bool | None: ...
