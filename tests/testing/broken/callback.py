"""Callbacks that break their contract."""

import torch

import jamie


class Sound(jamie.Callback):
    """Stops once the loss is small."""

    def _after_epoch(self, epoch):
        return epoch.losses[0]["loss"] < 0.5


class Numbers(Sound):
    """Answers with a number."""

    def _after_epoch(self, epoch):
        return epoch.losses[0]["loss"]


class NeedsValidation(Sound):
    """Cannot do without validation cells."""

    def _after_epoch(self, epoch):
        return epoch.losses[0]["validation"] < 0.5


class FromTheStart(Sound):
    """Wants to see the first epoch."""

    def _after_epoch(self, epoch):
        if epoch.number == 0:
            self.first = epoch.losses
        return self.first is None


class Meddles(Sound):
    """Sets the weights that it is shown to nothing."""

    def _after_epoch(self, epoch):
        with torch.no_grad():
            for parameter in epoch.network().parameters():
                parameter.zero_()
        return False


BROKEN = {
    "check_watches_every_training": [
        (Numbers, "callback 'numbers': 1 members, with validation cells: .* to return a bool or None, found float"),
        (NeedsValidation, "without validation cells: expected an answer, found KeyError: 'validation'"),
    ],
    "check_joins_at_any_epoch": [(FromTheStart, "it sees is not the first: expected an answer, found AttributeError")],
    "check_leaves_networks_alone": [(Meddles, "callback 'meddles': the weights stay")],
}
