"""Modalities must be connected by known pairs, or by an inferred correspondence that is used."""

from __future__ import annotations

import logging

from jamie.core.correspondence import Correspondences
from jamie.core.errors import DataError
from jamie.spec import Spec

log = logging.getLogger(__name__)

GIVE_PAIRS = "give pairs: names that occur in both modalities, known: table, or known: matrix"
INFER = "set correspondence.infer (such as auto) and add the loss alignment"


def require_connected_modalities(known: Correspondences, spec: Spec) -> None:
    """Refuse a run in which a modality is connected to no other, and warn if an inference would not be used.

    Raises
    ------
    DataError
        If no pair is known or inferred, or a loss needs known pairs and there are none.
    """
    terms = {name: term.component.cls for name, term in spec.losses.items() if term.weight > 0}
    needing_pairs = [name for name, loss in terms.items() if "known" in loss.requires]
    if needing_pairs and known.n_pairs == 0:
        raise DataError(
            f"loss '{needing_pairs[0]}' needs known pairs, and there are none",
            where=spec.where(f"losses.{needing_pairs[0]}"),
            fix=f"give pairs (correspondence.known), or set losses: {{{needing_pairs[0]}: null}}",
        )
    uses_inferred = spec.correspondence.rho < 1 or any("inferred" in loss.requires for loss in terms.values())
    if spec.correspondence.infer is not None:
        if uses_inferred:
            return
        _check_unused_inference(known, spec)
    elif known.n_pairs == 0:
        fraction = spec.evaluate.known_pairs.fraction
        hidden = f" (evaluate.known_pairs.fraction is {fraction:g})" if fraction < 1 else ""
        raise DataError(
            f"no pair of cells is known{hidden} and none is to be inferred, so nothing would connect the modalities",
            where=spec.where("correspondence"),
            fix=f"{INFER}, or {GIVE_PAIRS}",
        )
    _require_connected(known, spec)


def _check_unused_inference(known: Correspondences, spec: Spec) -> None:
    where = spec.where("correspondence.infer")
    problem = "the inferred correspondence is used by no loss, and rho = 1 leaves it out of the aggregation"
    if known.n_pairs == 0:
        fix = "add the loss alignment (losses: {alignment: {weight: 31.25}}), or set correspondence.rho below 1"
        raise DataError(f"{problem}; no pair is known either, so nothing connects the modalities", where=where, fix=fix)
    log.warning("%s: %s", where, problem)


def _require_connected(known: Correspondences, spec: Spec) -> None:
    first, *others = known.modalities
    loose = [name for name in others if not known.connected(first, name)]
    if loose:
        raise DataError(
            f"expected known pairs that connect every modality with the others, found none between {', '.join(loose)} "
            f"and {', '.join(name for name in known.modalities if name not in loose)}",
            where=spec.where("correspondence"),
            fix=f"leave {loose[0]} out (modalities), {INFER}, or {GIVE_PAIRS}",
        )
