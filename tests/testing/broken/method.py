"""Methods that break their contract."""

from itertools import permutations

import numpy as np

import jamie


class Sound(jamie.Method):
    """The first three scores of each modality; least squares from one to another."""

    needs = frozenset({"pairs"})

    def _fit(self, cells, context):
        self.maps = {}
        for a, b in permutations(cells.modalities, 2):
            rows, columns = cells.pairs(a, b)
            x, y = cells.views[a].scores[rows], cells.targets[b][columns]
            self.maps[a, b] = np.linalg.lstsq(x.T @ x + np.eye(x.shape[1]), x.T @ y, rcond=None)[0]

    def _embed(self, scores):
        return {m: x[:, :3] for m, x in scores.items()}

    def _impute(self, scores, source, target):
        return scores @ self.maps[source, target]


class Transductive(Sound):
    """Embeds the cells of the fit, and no others."""

    inductive = False

    def _fit(self, cells, context):
        super()._fit(cells, context)
        self.z = {m: x[:, :3] for m, x in cells.scores.items()}

    def _embed(self, scores):
        return self.z


class Idle(jamie.Method):
    """Neither embeds nor imputes."""

    def _fit(self, cells, context):
        pass


class TwoSpaces(Sound):
    """Embeds each modality in a space of its own."""

    def _embed(self, scores):
        return scores


class FirstTwoOnly(Sound):
    """Assumes two modalities."""

    def _embed(self, scores):
        return {m: x[:, :3] for m, x in list(scores.items())[:2]}


class InfiniteLatents(Sound):
    """Divides by zero."""

    def _embed(self, scores):
        return {m: np.full((len(x), 3), np.inf) for m, x in scores.items()}


class ScoresForTargets(Sound):
    """Imputes scores where the target is another matrix."""

    def _fit(self, cells, context):
        super()._fit(cells, context)
        self.width = {m: x.shape[1] for m, x in cells.scores.items()}

    def _impute(self, scores, source, target):
        return super()._impute(scores, source, target)[:, : self.width[target]]


class MissingValues(Sound):
    """Imputes NaN for some values."""

    def _impute(self, scores, source, target):
        found = super()._impute(scores, source, target)
        return np.where(found > found.mean(), found, np.nan)


class NegativeSpread(Sound):
    """A standard deviation below zero."""

    def _impute(self, scores, source, target):
        mean = super()._impute(scores, source, target)
        return jamie.Imputation(mean, sd=np.full_like(mean, -1))


class TurnedInterval(Sound):
    """The lower end is the upper one."""

    def _impute(self, scores, source, target):
        mean = super()._impute(scores, source, target)
        return jamie.Imputation(mean, lower=mean + 1, upper=mean - 1)


class GlobalRandomness(Sound):
    """Draws its map from another generator than the context's."""

    def _fit(self, cells, context):
        super()._fit(cells, context)
        self.turn = np.random.default_rng().normal(size=(3, 3))

    def _embed(self, scores):
        return {m: z @ self.turn for m, z in super()._embed(scores).items()}


class NoiseInImputation(Sound):
    """Adds noise whenever it imputes."""

    def _impute(self, scores, source, target):
        found = super()._impute(scores, source, target)
        return found + np.random.default_rng().normal(size=found.shape)


class SortsItsCells(Transductive):
    """Gives its cells in the order of their first latent."""

    def _embed(self, scores):
        return {m: z[np.argsort(z[:, 0])] for m, z in self.z.items()}


class CentersTheQuery(Sound):
    """Centers the cells that are embedded together."""

    def _embed(self, scores):
        return {m: z - z.mean(axis=0) for m, z in super()._embed(scores).items()}


class ImputesTheMean(Sound):
    """Centers the cells that it imputes from."""

    def _impute(self, scores, source, target):
        return super()._impute(scores - scores.mean(axis=0), source, target)


class IgnoresMissingPairs(Sound):
    """Needs pairs, and does not refuse to work without."""

    def require(self, cells):
        pass


class IgnoresMissingLabels(IgnoresMissingPairs):
    """Needs labels, and does not refuse to work without."""

    needs = frozenset({"labels"})


class IgnoresThirdModality(IgnoresMissingPairs):
    """Takes two modalities, and leaves out the third."""

    needs = frozenset()
    max_modalities = 2


class UndeclaredNeed(Sound):
    """Needs pairs, and does not say so."""

    needs = frozenset()

    def _fit(self, cells, context):
        if cells.known.n_pairs == 0:
            raise jamie.DataError("expected known pairs, found none")


class FitsInThePublicMethod(Sound):
    """Fits in the public method, whose time is not measured."""

    def fit(self, cells, context=None):
        self._fit(cells, context)
        return self


class Standardizes(Sound):
    """Standardizes the scores in place."""

    def _fit(self, cells, context):
        super()._fit(cells, context)
        cells.views["atac"].scores[:] /= 2


class ScalesTheQuery(Sound):
    """Scales the cells that it imputes from, in place."""

    def _impute(self, scores, source, target):
        scores *= 2
        return super()._impute(scores, source, target)


class RoundsWhatItSaves(Sound):
    """Saves its maps in half precision."""

    def _state(self):
        return {"maps": {direction: values.astype(np.float16) for direction, values in self.maps.items()}}

    def _set_state(self, state):
        self.maps = state["maps"]


class CountsModalities(Sound):
    """Latents that depend on how many modalities are embedded."""

    def _embed(self, scores):
        return {m: x[:, :3] / len(scores) for m, x in scores.items()}


BROKEN = {
    "check_embeds_or_imputes": [(Idle, "method 'idle': it does something: expected _embed or _impute, found neither")],
    "check_embeds_all_modalities_in_one_space": [
        (TwoSpaces, r"\(n_m, L\) of each modality: expected .*'atac': \(53, 10\).*, found .*'atac': \(53, 8\)"),
        (FirstTwoOnly, "method 'first_two_only': expected one row for each cell, .*'protein': 67"),
        (InfiniteLatents, "the latents of rna: expected finite values"),
    ],
    "check_imputes_every_modality_from_every_other": [
        (ScoresForTargets, r"mean of atac imputed from rna: expected \(41, 14\), found \(41, 8\)"),
        (MissingValues, "mean of atac imputed from rna: expected finite values"),
    ],
    "check_intervals_hold_the_mean": [
        (NegativeSpread, r"the standard deviation of atac imputed from rna: expected >= 0, found -1\.0"),
        (TurnedInterval, "the interval of atac imputed from rna: expected lower <= mean <= upper"),
    ],
    "check_same_seed_same_result": [
        (GlobalRandomness, r"the same seed gives the same result \(latents\.rna\), at"),
        (NoiseInImputation, r"the same seed gives the same result \(atac imputed from rna\), at"),
    ],
    "check_order_of_cells_means_nothing": [
        (SortsItsCells, "a cell of rna keeps its distances to the others when the cells come in another order, at")
    ],
    "check_a_cell_does_not_depend_on_the_others": [
        (CentersTheQuery, "the latents of a new cell of rna are its own, at"),
        (ImputesTheMean, "atac imputed from a new cell of rna is its own, at"),
    ],
    "check_refuses_missing_requirements": [
        (IgnoresMissingPairs, "it needs known pairs: expected DataError, found none"),
        (IgnoresMissingLabels, "it needs labels: expected DataError, found none"),
        (IgnoresThirdModality, "it needs no more than 2 modalities: expected DataError, found none"),
    ],
    "check_declares_what_it_needs": [
        (UndeclaredNeed, "expected fitted with neither pairs nor labels, found expected known pairs")
    ],
    "check_reports_resource_usage": [
        (FitsInThePublicMethod, r"usage: expected that of preparation and training, found \{\}")
    ],
    "check_survives_saving": [
        (RoundsWhatItSaves, r"saved and restored it gives the same result \(atac imputed from rna\), at")
    ],
    "check_embeds_modalities_alone": [(CountsModalities, "cells of rna alone, at")],
    "check_leaves_inputs_alone": [
        (Standardizes, r"inputs are never modified \(cells\.views\.atac\.scores\)"),
        (ScalesTheQuery, r"inputs are never modified \(cells\.views\.rna\.scores\)"),
    ],
}
