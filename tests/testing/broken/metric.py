"""Metrics that break their contract."""

import numpy as np

import jamie


class Sound(jamie.Metric):
    """Mean closeness of partners."""

    higher_is_better = True
    bounds = (0.0, 1.0)
    requires = frozenset({"pairs"})

    def _score(self, pair):
        rows, columns = pair.truth.nonzero()
        spread = pair.z_source.std() + pair.z_target.std() + 1e-12
        apart = np.linalg.norm(pair.z_source[rows] - pair.z_target[columns], axis=1).mean()
        return float(np.exp(-apart / spread)) * (spread > 1e-9)


class OutOfBounds(Sound):
    """Exceeds its bounds."""

    def _score(self, pair):
        return 1 + super()._score(pair)


class NotANumber(Sound):
    """Is NaN once everything is collapsed."""

    def _score(self, pair):
        return super()._score(pair) if pair.z_source.std() else float("nan")


class UpsideDown(Sound):
    """Gives a distance and calls higher better."""

    higher_is_better = False


class FooledByCollapse(Sound):
    """Likes everything in one point best."""

    def _score(self, pair):
        return super()._score(pair) if pair.z_source.std() else 1.0


class ByRow(Sound):
    """Takes cells in one row for partners."""

    def _score(self, pair):
        n = min(len(pair.z_source), len(pair.z_target))
        return float(np.exp(-np.linalg.norm(pair.z_source[:n] - pair.z_target[:n], axis=1).mean()))


class Undeclared(Sound):
    """Reads pairs without saying so."""

    requires = frozenset()

    def _score(self, pair):
        return super()._score(pair) if pair.truth.nnz else 0.0


class Normalises(Sound):
    """Centres the latents in place."""

    def _score(self, pair):
        pair.z_source[:] -= pair.z_source.mean(0)
        return super()._score(pair)


class ReadsSomethingElse(Sound):
    """Reads something that is no result."""

    reads = jamie.Score


class FooledBySeparation(Sound):
    """Needs neither labels nor pairs, and likes separated modalities."""

    requires = frozenset()

    def _score(self, pair):
        apart = np.linalg.norm(pair.z_source.mean(axis=0) - pair.z_target.mean(axis=0))
        return float(apart / (apart + 1))


class Errors(jamie.Metric):
    """Size of the errors of imputation, by feature."""

    reads = jamie.ImputedPair
    higher_is_better = False
    bounds = (0.0, float("inf"))

    def _score(self, pair):
        return np.abs(pair.measured - pair.imputed).mean(axis=0)


class FooledByTheMean(Errors):
    """Cannot tell the training mean from measured values."""

    def _score(self, pair):
        return np.abs((pair.measured - pair.imputed).mean(axis=0)).round(9)


class ComparesMeans(Errors):
    """Compares the features' means alone, which an independent imputation has as well."""

    def _score(self, pair):
        return np.abs(pair.measured.mean(axis=0) - pair.imputed.mean(axis=0)).round(9)


class FirstCells(Errors):
    """Gives the value of all cells, and the features' of the first few."""

    def _score(self, pair):
        first = np.abs(pair.measured - pair.imputed)[:5].mean(axis=0)
        return jamie.Score(float(super()._score(pair).mean()), per_feature={"": first})


class ReadsLabels(Errors):
    """Reads labels without saying so."""

    def _score(self, pair):
        return super()._score(pair) + (pair.labels is None)


class FillsIn(Errors):
    """Clips imputed values in place."""

    def _score(self, pair):
        np.maximum(pair.imputed, pair.imputed.mean(), out=pair.imputed)
        return super()._score(pair)


class CountsEntries(jamie.Metric):
    """Counts how many matches there are."""

    reads = jamie.MatchedPair
    higher_is_better = True
    bounds = (0.0, 1.0)

    def _score(self, pair):
        return pair.inferred.nnz / np.prod(pair.inferred.shape)


class PrefersNoMatches(CountsEntries):
    """Is best where nothing is matched."""

    def _score(self, pair):
        return 1 - super()._score(pair)


BROKEN = {
    "check_reads_a_known_pair": [
        (ReadsSomethingElse, "reads: expected EmbeddedPair or ImputedPair or MatchedPair, found .*Score"),
    ],
    "check_stays_in_bounds": [
        (OutOfBounds, "metric 'out_of_bounds': expected a value from 0.0 to 1.0, found 2.0"),
        (NotANumber, "the value lies in bounds: .* found nan"),
    ],
    "check_perfect_is_better_than_noise": [
        (UpsideDown, "higher_is_better = False: a perfect embedding scores better than independent noise"),
        (FooledBySeparation, "a perfect embedding scores better than separated modalities"),
        (ComparesMeans, "higher_is_better = False: a perfect imputation scores better than an independent one"),
        (CountsEntries, "higher_is_better = True: a perfect matching scores better than a uniform one"),
    ],
    "check_perfect_is_better_than_collapsed": [
        (FooledByCollapse, "higher_is_better = True: a perfect embedding scores better than a collapsed embedding"),
        (FooledByTheMean, "a perfect imputation scores better than the training mean for every cell"),
        (PrefersNoMatches, "a perfect matching scores better than no matching"),
    ],
    "check_ignores_the_order_of_cells": [
        (ByRow, "metric 'by_row': the order of cells means nothing"),
        (FirstCells, r"metric 'first_cells': the order of cells means nothing, at \(0,\)"),
    ],
    "check_reads_only_what_it_requires": [
        (Undeclared, r"reads only set\(\): expected 1.0, found 0.0"),
        (ReadsLabels, r"reads only set\(\): expected 0.0, found 1.0"),
    ],
    "check_leaves_inputs_alone": [
        (Normalises, r"inputs are never modified \(pair\.z_source\)"),
        (FillsIn, r"inputs are never modified \(pair\.imputed\)"),
    ],
}
