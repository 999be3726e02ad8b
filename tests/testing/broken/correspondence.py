"""Inferers that break their contract."""

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

import jamie


def profile(view):
    """Sorted distances of each cell to all others, at fixed quantiles: the same in an isometric copy."""
    return np.quantile(cdist(view.scores, view.scores), np.linspace(0, 1, 20), axis=1).T


def matched(a, b, rows, columns, confidence=1.0, **diagnostics):
    found = jamie.Correspondence.from_pairs(rows, columns, (a.n_cells, b.n_cells))
    return jamie.Inferred(found, np.full(a.n_cells, confidence), np.full(b.n_cells, confidence), diagnostics)


class SOUND(jamie.CorrespondenceInferer):
    """Matches cells that see the others at the same distances."""

    name = "sound"
    residual = 0.0
    confidence = 0.5

    def _infer(self, a, b, known, context):
        rows, columns = linear_sum_assignment(cdist(profile(a), profile(b)))
        return matched(a, b, rows, columns, self.confidence, converged=True, residual=self.residual)


class Transposed(SOUND):
    """Puts the larger modality second, and forgets to turn back."""

    name = "transposed"

    def _infer(self, a, b, known, context):
        return super()._infer(b, a, known, context) if a.n_cells > b.n_cells else super()._infer(a, b, known, context)


class FindsNothing(SOUND):
    """Finds nobody a partner."""

    name = "finds_nothing"

    def _infer(self, a, b, known, context):
        return matched(a, b, [], [])


class Overconfident(SOUND):
    """Is twice as sure as one can be."""

    name = "overconfident"
    confidence = 2.0


class Unsure(SOUND):
    """Divides by a sum that is 0."""

    name = "unsure"
    confidence = float("nan")


class InfiniteResidual(SOUND):
    """Reports what is no number."""

    name = "infinite_residual"
    residual = float("nan")


class NegativeResidual(SOUND):
    """Reports a signed residual."""

    name = "negative_residual"
    residual = -0.1


class GlobalRandomness(SOUND):
    """Draws from somewhere else than the context."""

    name = "global_randomness"

    def _infer(self, a, b, known, context):
        rows = np.arange(min(a.n_cells, b.n_cells))
        return matched(a, b, np.random.default_rng().permutation(rows), rows)


class Scales(SOUND):
    """Scales the scores in place."""

    name = "scales"

    def _infer(self, a, b, known, context):
        a.scores[:] *= 2
        return super()._infer(a, b, known, context)


class Chance(SOUND):
    """Matches at random."""

    name = "chance"

    def _infer(self, a, b, known, context):
        rows = np.arange(min(a.n_cells, b.n_cells))
        return matched(a, b, rows, context.generator().permutation(rows))


class SilentlyIdle(SOUND):
    """Finds nothing where no pair is known, and does not say so."""

    name = "silently_idle"

    def _infer(self, a, b, known, context):
        return super()._infer(a, b, known, context) if known.n_pairs else matched(a, b, [], [])


BROKEN = {
    "check_fits_either_size": [
        (Transposed, r"correspondence 'transposed': expected a correspondence of shape \(53, 41\)"),
        (
            FindsNothing,
            "correspondence 'finds_nothing': finds partners: expected some pair that is not known, found none",
        ),
    ],
    "check_confidences_are_fractions": [
        (Overconfident, "correspondence 'overconfident': expected confidence_a from 0 to 1, found 41 outside"),
        (Unsure, "correspondence 'unsure': expected confidence_a from 0 to 1, found 41 outside, such as nan"),
    ],
    "check_diagnostics_are_plain": [
        (InfiniteResidual, "diagnostic 'residual': expected a finite number, boolean or text, found nan"),
        (NegativeResidual, "a residual is a size: expected >= 0, found -0.1"),
    ],
    "check_same_seed_same_result": [(GlobalRandomness, r"the same seed gives the same result \(matrix\), at")],
    "check_leaves_inputs_alone": [(Scales, r"inputs are never modified \(a\.scores\)")],
    "check_works_without_known_pairs_or_refuses": [
        (SilentlyIdle, "works without known pairs: expected pairs, found none")
    ],
    "check_recovers_an_isometric_copy": [(Chance, r"chance 0.5; 0 is perfect\): expected .* below 0.25, found 0\.")],
}
