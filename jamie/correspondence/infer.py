"""Inference of the correspondence between every two modalities."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import combinations

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Correspondences, Inferred
from jamie.core.data import View
from jamie.core.interfaces import CorrespondenceInferer
from jamie.correspondence.couplings.coupling import no_matches
from jamie.correspondence.quality.hidden_pairs import HiddenPairCheck, check_hidden_pairs

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Inference:
    """Inferred correspondences between all modalities.

    Parameters
    ----------
    sizes
        Number of cells of each modality, in the order of the spec.
    inferred
        Correspondence, confidences and diagnostics of every two modalities, in the order of the spec.
    """

    sizes: Mapping[str, int]
    inferred: Mapping[tuple[str, str], Inferred]

    @property
    def correspondences(self) -> Correspondences:
        """The inferred correspondence of every two modalities."""
        return Correspondences(self.sizes, {pair: result.correspondence for pair, result in self.inferred.items()})

    @property
    def at_chance(self) -> list[tuple[str, str]]:
        """Pairs of modalities whose inferred correspondence is no better than chance, according to hidden pairs."""
        return [pair for pair, result in self.inferred.items() if result.diagnostics.get("better_than_chance") is False]

    def above_chance(self) -> Correspondences:
        """Return the inferred correspondences that are better than chance."""
        kept = {pair: result for pair, result in self.inferred.items() if pair not in self.at_chance}
        return Inference(self.sizes, kept).correspondences


def infer_all(
    views: Mapping[str, View],
    known: Correspondences,
    inferer: CorrespondenceInferer,
    context: Context,
    *,
    check_fraction: float = 0.0,
) -> Inference:
    """Infer the correspondence of every two modalities.

    Each pair of modalities has its own random generator, so that its result does not depend on the others. Two cells
    that are both known to be one cell of a third modality are a known pair. An inferer that uses known pairs is not run
    if every cell of a modality has a known partner, nor if two modalities share no cells but are connected through
    others: without a pair the result would be a guess, and the pairs with the third modality are more informative.

    Parameters
    ----------
    views
        Modalities, in the order of the spec.
    known
        Known pairs that the inferer may use.
    inferer
        The inferer.
    context
        Randomness, device, progress and memory limit.
    check_fraction
        Fraction of the known pairs that is hidden from the inferer to check how well it recovers them
        (`check_hidden_pairs`); the diagnostics then have the fields of `HiddenPairCheck`.
    """
    results = {}
    for a, b in combinations(views, 2):
        stage, pairs = f"correspondence {a}--{b}", known.with_indirect_pairs(a, b)
        reason = _reason_to_skip(pairs, known.connected(a, b)) if inferer.uses_known else ""
        if reason:
            log.info("%s: nothing is inferred: %s", stage, reason)
            results[a, b] = no_matches(pairs.shape, {"picked": "nothing", "because": reason})
            continue
        log.info("%s: %s on %d and %d cells", stage, inferer.name, views[a].n_cells, views[b].n_cells)
        of_a, of_b = views[a].in_memory(), views[b].in_memory()
        inferred = inferer.infer(of_a, of_b, pairs, context.for_stage(stage))
        check = check_hidden_pairs(
            inferer, of_a, of_b, pairs, inferred.correspondence, check_fraction, context.for_stage(stage)
        )
        if check is not None:
            inferred = replace(inferred, diagnostics={**inferred.diagnostics, **asdict(check)})
        results[a, b] = inferred
        log.info("%s: %s", stage, _describe(inferred))
        if check_fraction and (check is None or not check.better_than_chance):
            log.warning("%s: %s", stage, _describe_doubt(check, pairs.n_pairs))
    return Inference({name: view.n_cells for name, view in views.items()}, results)


def _reason_to_skip(pairs: Correspondence, connected: bool) -> str:
    """Why an inferer that uses known pairs need not be run; empty if it must."""
    if pairs.one_to_one().n_pairs == min(pairs.shape):
        return "every cell that can have a partner has a known one"
    return "they share no cells, and are connected through other modalities" if connected and not pairs.n_pairs else ""


def _describe_doubt(check: HiddenPairCheck | None, n_known: int) -> str:
    if check is None:
        evidence = f"the {n_known} known pairs are too few" if n_known else "there is no known pair"
        return f"{evidence} to say how good the inferred correspondence is; it may be no better than chance"
    return (
        f"the inferred correspondence is NO BETTER THAN CHANCE at finding {check.checked_pairs} known pairs that were "
        f"hidden from it: mean quantile of the true partner {check.checked_quantile:.3f} +- "
        f"{check.checked_quantile_error:.3f} (0 best, 0.5 chance)"
    )


def _describe(inferred: Inferred) -> str:
    values = {"pairs": inferred.correspondence.n_pairs, **inferred.diagnostics}
    return ", ".join(f"{name} {v:.4g}" if isinstance(v, float) else f"{name} {v}" for name, v in values.items())
