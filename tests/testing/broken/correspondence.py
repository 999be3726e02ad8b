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


class Sound(jamie.CorrespondenceInferer):
    """Matches cells that see the others at the same distances."""

    residual = 0.0
    confidence = 0.5

    def _infer(self, a, b, known, context):
        rows, columns = linear_sum_assignment(cdist(profile(a), profile(b)))
        return matched(a, b, rows, columns, self.confidence, converged=True, residual=self.residual)


class Transposed(Sound):
    """Puts the larger modality second, and forgets to turn back."""

    def _infer(self, a, b, known, context):
        return super()._infer(b, a, known, context) if a.n_cells > b.n_cells else super()._infer(a, b, known, context)


class FindsNothing(Sound):
    """Finds no partners."""

    def _infer(self, a, b, known, context):
        return matched(a, b, [], [])


class Overconfident(Sound):
    """Has confidences above 1."""

    confidence = 2.0


class Unsure(Sound):
    """Divides by a sum that is 0."""

    confidence = float("nan")


class InfiniteResidual(Sound):
    """Reports a residual that is NaN."""

    residual = float("nan")


class NegativeResidual(Sound):
    """Reports a signed residual."""

    residual = -0.1


class GlobalRandomness(Sound):
    """Draws from another generator than the context's."""

    def _infer(self, a, b, known, context):
        rows = np.arange(min(a.n_cells, b.n_cells))
        return matched(a, b, np.random.default_rng().permutation(rows), rows)


class Scales(Sound):
    """Scales the scores in place."""

    def _infer(self, a, b, known, context):
        a.scores[:] *= 2
        return super()._infer(a, b, known, context)


class Chance(Sound):
    """Matches at random."""

    def _infer(self, a, b, known, context):
        rows = np.arange(min(a.n_cells, b.n_cells))
        return matched(a, b, rows, context.generator().permutation(rows))


class SilentlyIdle(Sound):
    """Finds nothing where no pair is known, and does not say so."""

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
