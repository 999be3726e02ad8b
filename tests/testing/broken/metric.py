"""Metrics that break their contract."""

import numpy as np

import jamie


class SOUND(jamie.Metric):
    """Mean closeness of partners."""

    name = "sound"
    higher_is_better = True
    bounds = (0.0, 1.0)
    requires = frozenset({"pairs"})

    def _score(self, pair):
        rows, columns = pair.truth.nonzero()
        spread = pair.z_source.std() + pair.z_target.std() + 1e-12
        apart = np.linalg.norm(pair.z_source[rows] - pair.z_target[columns], axis=1).mean()
        return float(np.exp(-apart / spread)) * (spread > 1e-9)


class OutOfBounds(SOUND):
    """Exceeds its bounds."""

    name = "out_of_bounds"

    def _score(self, pair):
        return 1 + super()._score(pair)


class NotANumber(SOUND):
    """Is NaN once everything is collapsed."""

    name = "not_a_number"

    def _score(self, pair):
        return super()._score(pair) if pair.z_source.std() else float("nan")


class UpsideDown(SOUND):
    """Gives a distance and calls higher better."""

    name = "upside_down"
    higher_is_better = False


class FooledByCollapse(SOUND):
    """Likes everything in one point best."""

    name = "fooled_by_collapse"

    def _score(self, pair):
        return super()._score(pair) if pair.z_source.std() else 1.0


class ByRow(SOUND):
    """Takes cells in one row for partners."""

    name = "by_row"

    def _score(self, pair):
        n = min(len(pair.z_source), len(pair.z_target))
        return float(np.exp(-np.linalg.norm(pair.z_source[:n] - pair.z_target[:n], axis=1).mean()))


class Undeclared(SOUND):
    """Reads pairs without saying so."""

    name = "undeclared"
    requires = frozenset()

    def _score(self, pair):
        return super()._score(pair) if pair.truth.nnz else 0.0


class Normalises(SOUND):
    """Centres the latents in place."""

    name = "normalises"

    def _score(self, pair):
        pair.z_source[:] -= pair.z_source.mean(0)
        return super()._score(pair)


BROKEN = {
    "check_stays_in_bounds": [
        (OutOfBounds, r"metric 'out_of_bounds': the value lies in bounds: expected \(0.0, 1.0\), found 2"),
        (NotANumber, "the value lies in bounds: .* found nan"),
    ],
    "check_tells_perfect_from_noise": [
        (UpsideDown, "higher_is_better = False: a perfect embedding scores better than independent noise"),
    ],
    "check_tells_perfect_from_collapsed": [
        (FooledByCollapse, "higher_is_better = True: a perfect embedding scores better than a collapsed embedding"),
    ],
    "check_ignores_the_order_of_cells": [(ByRow, "metric 'by_row': the order of cells means nothing")],
    "check_reads_only_what_it_requires": [(Undeclared, r"reads only set\(\): expected 1.0, found 0.0")],
    "check_leaves_inputs_alone": [(Normalises, r"inputs are never modified \(z_source\)")],
}
