"""Splits that break their contract."""

import numpy as np

import jamie


class Sound(jamie.Splitter):
    """A fifth of the cells, at random."""

    def _hold_out(self, cells, context):
        return context.generator().random(len(cells)) < 0.2


class Everything(Sound):
    """Holds out all."""

    def _hold_out(self, cells, context):
        return np.ones(len(cells), bool)


class Wild(Sound):
    """Draws by numpy's global generator."""

    def _hold_out(self, cells, context):
        return np.random.random(len(cells)) < 0.2  # noqa: NPY002


BROKEN = {
    "check_holds_some_cells_out": [(Everything, "split 'everything': holds some cells out: expected some, not all")],
    "check_same_seed_same_cells": [(Wild, "the same seed holds out the same cells")],
}
