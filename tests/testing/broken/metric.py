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


class ReadsSomethingElse(SOUND):
    """Asks for what nobody gives."""

    name = "reads_something_else"
    reads = jamie.Score


class FooledBySeparation(SOUND):
    """Needs neither labels nor pairs, and likes separated modalities."""

    name = "fooled_by_separation"
    requires = frozenset()

    def _score(self, pair):
        apart = np.linalg.norm(pair.z_source.mean(axis=0) - pair.z_target.mean(axis=0))
        return float(apart / (apart + 1))


class Errors(jamie.Metric):
    """Size of the errors of imputation, by feature."""

    name = "errors"
    reads = jamie.ImputedPair
    higher_is_better = False
    bounds = (0.0, float("inf"))

    def _score(self, pair):
        return np.abs(pair.measured - pair.imputed).mean(axis=0)


class FooledByTheMean(Errors):
    """Cannot tell the training mean from measured values."""

    name = "fooled_by_the_mean"

    def _score(self, pair):
        return np.abs((pair.measured - pair.imputed).mean(axis=0)).round(9)


class ComparesMeans(Errors):
    """Compares the features' means alone, which an independent imputation has as well."""

    name = "compares_means"

    def _score(self, pair):
        return np.abs(pair.measured.mean(axis=0) - pair.imputed.mean(axis=0)).round(9)


class FirstCells(Errors):
    """Gives the value of all cells, and the features' of the first few."""

    name = "first_cells"

    def _score(self, pair):
        first = np.abs(pair.measured - pair.imputed)[:5].mean(axis=0)
        return jamie.Score(float(super()._score(pair).mean()), per_feature={"": first})


class ReadsLabels(Errors):
    """Reads labels without saying so."""

    name = "reads_labels"

    def _score(self, pair):
        return super()._score(pair) + (pair.labels is None)


class FillsIn(Errors):
    """Clips imputed values in place."""

    name = "fills_in"

    def _score(self, pair):
        np.maximum(pair.imputed, pair.imputed.mean(), out=pair.imputed)
        return super()._score(pair)


class CountsEntries(jamie.Metric):
    """Counts how many matches there are."""

    name = "counts_entries"
    reads = jamie.MatchedPair
    higher_is_better = True
    bounds = (0.0, 1.0)

    def _score(self, pair):
        return pair.inferred.nnz / np.prod(pair.inferred.shape)


class LikesSilence(CountsEntries):
    """Is best where nothing is matched."""

    name = "likes_silence"

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
        (LikesSilence, "a perfect matching scores better than no matching"),
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
