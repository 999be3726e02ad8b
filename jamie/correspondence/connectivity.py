"""What ties the modalities together: known pairs, or an inferred correspondence that something uses."""

from __future__ import annotations

import logging

import numpy as np
from scipy.sparse.csgraph import connected_components

from jamie.core.correspondence import Correspondences
from jamie.core.errors import DataError
from jamie.spec import Spec

log = logging.getLogger(__name__)

GIVE_PAIRS = "give pairs: names that occur in both modalities, known: table, or known: matrix"
INFER = "set correspondence.infer (such as auto) and add the loss alignment"


def require_ties(known: Correspondences, spec: Spec) -> None:
    """Refuse a run in which a modality is tied to no other, and warn where an inference would be in vain.

    Raises
    ------
    DataError
        Where no pair is known or inferred, or a loss needs known pairs and there are none.
    """
    _require_known_for_losses(known, spec)
    inferring = spec.correspondence.infer is not None
    used = inferring and _uses_inferred(spec)
    if inferring and not used:
        _refuse_vain_inference(known, spec)
    elif known.n_pairs == 0 and not used:
        fraction = spec.evaluate.known_pairs.fraction
        hidden = f" (evaluate.known_pairs.fraction is {fraction:g})" if fraction < 1 else ""
        raise DataError(
            f"no pair of cells is known{hidden} and none is to be inferred, so nothing would tie the modalities "
            "together",
            where=spec.where("correspondence"),
            fix=f"{INFER}, or {GIVE_PAIRS}",
        )
    if not used:
        _require_connected(known, spec)


def _uses_inferred(spec: Spec) -> bool:
    terms = [term for term in spec.losses.values() if term.weight > 0]
    return spec.correspondence.rho < 1 or any("inferred" in term.component.cls.requires for term in terms)


def _refuse_vain_inference(known: Correspondences, spec: Spec) -> None:
    where = spec.where("correspondence.infer")
    problem = "the inferred correspondence is used by no loss, and rho = 1 leaves it out of the aggregation"
    if known.n_pairs == 0:
        fix = "add the loss alignment (losses: {alignment: {weight: 31.25}}), or set correspondence.rho below 1"
        raise DataError(f"{problem}; no pair is known either, so nothing ties the modalities", where=where, fix=fix)
    log.warning("%s: %s", where, problem)


def _require_connected(known: Correspondences, spec: Spec) -> None:
    names = known.modalities
    tied = np.zeros((len(names), len(names)))
    for (a, b), correspondence in known.items():
        tied[names.index(a), names.index(b)] = correspondence.n_pairs
    group = connected_components(tied, directed=False)[1]
    loose = [name for name, own in zip(names, group, strict=True) if own != group[0]]
    if loose:
        raise DataError(
            f"expected known pairs that tie every modality to the others, found none between {', '.join(loose)} "
            f"and {', '.join(name for name in names if name not in loose)}",
            where=spec.where("correspondence"),
            fix=f"leave {loose[0]} out (modalities), {INFER}, or {GIVE_PAIRS}",
        )


def _require_known_for_losses(known: Correspondences, spec: Spec) -> None:
    terms = {name: term for name, term in spec.losses.items() if term.weight > 0}
    needy = [name for name, term in terms.items() if "known" in term.component.cls.requires]
    if needy and known.n_pairs == 0:
        raise DataError(
            f"loss '{needy[0]}' needs known pairs, and there are none",
            where=spec.where(f"losses.{needy[0]}"),
            fix=f"give pairs (correspondence.known), or set losses: {{{needy[0]}: null}}",
        )
