"""Inference between every two modalities."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

from jamie.core.context import Context
from jamie.core.correspondence import Correspondences, Inferred
from jamie.core.data import View
from jamie.core.interfaces import CorrespondenceInferer

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


def infer_all(
    views: Mapping[str, View], known: Correspondences, inferer: CorrespondenceInferer, context: Context
) -> Inference:
    """Infer the correspondence of every two modalities.

    Each pair draws from a generator of its own, so that its result depends on no other pair.

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
    """
    found = {}
    for a, b in combinations(views, 2):
        stage = f"correspondence {a}--{b}"
        log.info("%s: %s on %d and %d cells", stage, inferer.name, views[a].n_cells, views[b].n_cells)
        found[a, b] = inferer.infer(views[a], views[b], known.between(a, b), context.at(stage))
        log.info("%s: %s", stage, _described(found[a, b]))
    sizes = {name: view.n_cells for name, view in views.items()}
    return Inference(Correspondences(sizes, {pair: one.correspondence for pair, one in found.items()}), found)


def _described(one: Inferred) -> str:
    values = {"pairs": one.correspondence.n_pairs, **one.diagnostics}
    return ", ".join(f"{name} {v:.4g}" if isinstance(v, float) else f"{name} {v}" for name, v in values.items())
