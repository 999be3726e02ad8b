"""Inference between every two modalities."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Correspondences, Inferred
from jamie.core.data import View
from jamie.core.interfaces import CorrespondenceInferer
from jamie.correspondence.quality.hidden_pairs import Trust, check

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Inference:
    """What was inferred between all modalities.

    Parameters
    ----------
    correspondences
        The inferred correspondence of every two modalities.
    found
        The same with confidences and diagnostics, for unordered pairs in the order of the spec.
    """

    correspondences: Correspondences
    found: Mapping[tuple[str, str], Inferred]

    @property
    def at_chance(self) -> list[tuple[str, str]]:
        """Pairs of modalities for which known pairs say that what was inferred is no better than chance."""
        return [pair for pair, one in self.found.items() if one.diagnostics.get("better_than_chance") is False]

    def but_chance(self) -> Correspondences:
        """Leave out what is no better than chance."""
        doubtful = self.at_chance
        return replace(
            self.correspondences, by_pair={pair: c for pair, c in self.correspondences.items() if pair not in doubtful}
        )


def infer_all(
    views: Mapping[str, View],
    known: Correspondences,
    inferer: CorrespondenceInferer,
    context: Context,
    *,
    checked: float = 0.0,
) -> Inference:
    """Infer the correspondence of every two modalities.

    Each pair draws from a generator of its own, so that its result depends on no other pair. Two cells that are one
    cell of a third modality are a known pair. An inferer that uses known pairs is not asked where every cell of a
    modality has its partner, nor where two modalities share no cells but are tied through others: without a pair it
    would be a guess, and what is known of the third modality says more.

    Parameters
    ----------
    views
        In the order of the spec.
    known
        Pairs that the inferer may use.
    inferer
        How to infer.
    context
        Randomness, device, progress and memory limit.
    checked
        Part of the known pairs that is hidden from the inferer to see how well it finds them (`trust.check`): the
        diagnostics then have the fields of `Trust`.
    """
    found = {}
    for a, b in combinations(views, 2):
        stage, told = f"correspondence {a}--{b}", known.with_indirect_pairs(a, b)
        needless = _needless(told, known.connected(a, b)) if inferer.uses_known else ""
        if needless:
            log.info("%s: nothing is inferred: %s", stage, needless)
            sides = [np.zeros(n, np.float32) for n in told.shape]
            said = {"picked": "nothing", "because": needless}
            found[a, b] = Inferred(Correspondence.empty(told.shape), sides[0], sides[1], said)
            continue
        log.info("%s: %s on %d and %d cells", stage, inferer.name, views[a].n_cells, views[b].n_cells)
        one = inferer.infer(views[a], views[b], told, context.for_stage(stage))
        trust = check(inferer, views[a], views[b], told, one.correspondence, checked, context.for_stage(stage))
        found[a, b] = one if trust is None else replace(one, diagnostics={**one.diagnostics, **trust.as_diagnostics()})
        log.info("%s: %s", stage, _described(found[a, b]))
        if checked and (trust is None or not trust.better_than_chance):
            log.warning("%s: %s", stage, _doubt(trust, told.n_pairs))
    sizes = {name: view.n_cells for name, view in views.items()}
    return Inference(Correspondences(sizes, {pair: one.correspondence for pair, one in found.items()}), found)


def _needless(told: Correspondence, tied: bool) -> str:
    """Why an inferer that uses known pairs need not be asked; empty where it must."""
    if told.one_to_one().n_pairs == min(told.shape):
        return "every cell that can have a partner has a known one"
    return "they share no cells, and are tied through other modalities" if tied and not told.n_pairs else ""


def _doubt(trust: Trust | None, n_known: int) -> str:
    if trust is None:
        telling = f"the {n_known} known pairs are too few to tell" if n_known else "no known pair tells"
        return f"{telling} how good the inferred correspondence is; it may be no better than chance"
    return (
        f"the inferred correspondence is NO BETTER THAN CHANCE at finding {trust.checked_pairs} known pairs that it "
        f"was not told: mean quantile of the true partner {trust.checked_quantile:.3f} +- "
        f"{trust.checked_quantile_error:.3f} (0 best, 0.5 chance)"
    )


def _described(one: Inferred) -> str:
    values = {"pairs": one.correspondence.n_pairs, **one.diagnostics}
    return ", ".join(f"{name} {v:.4g}" if isinstance(v, float) else f"{name} {v}" for name, v in values.items())
