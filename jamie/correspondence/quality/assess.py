"""How good an inferred correspondence is, where the truth or labels are known."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from jamie.core.correspondence import Correspondence
from jamie.core.data import Dataset
from jamie.core.labels import as_labels
from jamie.correspondence.couplings.coupling import row_entropy
from jamie.correspondence.infer import Inference
from jamie.correspondence.quality.partner_ranks import (
    STANDARD_ERRORS,
    beats_chance,
    chance_of_top,
    label_agreement,
    partner_ranks,
)

_CURVE = 101  # points of the curve of quantiles

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Quality:
    """Quality of an inferred correspondence beside what chance would give; None where it cannot be known.

    All but the entropy are means over both directions.

    Parameters
    ----------
    mean_row_entropy
        0 where every cell of a has one partner, 1 where all partners are alike.
    n_pairs
        True pairs that it was judged by.
    mean_quantile
        Fraction of the other cells that match better than the true partner, ties one half: 0 is best, 0.5 chance.
    quantile_error
        Standard error of `mean_quantile`.
    quantile_curve
        The quantile of the true partner at 0, 1, ..., 100 % of the pairs, those of the best first; chance is a line.
    top1, top1_chance
        How often the best match is the true partner; of tied best matches each counts its share.
    mass, mass_chance
        Part of a cell's confidence that its true partner has.
    type_accuracy, type_chance
        How often the best match has the cell's label.
    better_than_chance
        Whether the mean quantile (or else the type accuracy) beats chance by three standard errors; None where there
        are too few cells to tell by their type, or known pairs have told already.
    """

    mean_row_entropy: float
    n_pairs: int = 0
    mean_quantile: float | None = None
    quantile_error: float | None = None
    quantile_curve: tuple[float, ...] | None = None
    top1: float | None = None
    top1_chance: float | None = None
    mass: float | None = None
    mass_chance: float | None = None
    type_accuracy: float | None = None
    type_chance: float | None = None
    better_than_chance: bool | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return what is known, as plain values."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def assess(
    found: Correspondence,
    truth: Correspondence,
    *,
    labels: tuple[ArrayLike, ArrayLike] | None = None,
    where: str = "correspondence",
    judged: bool = False,
) -> Quality:
    """Judge an inferred correspondence, and warn where it is no better than chance.

    Parameters
    ----------
    found : (n_a, n_b)
        The inferred correspondence.
    truth : (n_a, n_b)
        Pairs that are truly the same cell, best without those that the inferer was told; may be empty.
    labels
        (n_a,) and (n_b,) labels of the cells.
    where
        For the messages.
    judged
        Whether known pairs that were hidden have told whether it beats chance, which labels then need not.
    """
    values: dict[str, Any] = {"mean_row_entropy": float(row_entropy(found.matrix).mean()), "n_pairs": truth.n_pairs}
    if truth.n_pairs:
        values |= _against_truth(found, truth)
    if labels is not None:
        accuracy, chance = label_agreement(found.matrix, *labels)
        values |= {"type_accuracy": accuracy, "type_chance": chance}
        if not judged:
            values.setdefault("better_than_chance", _type_beats_chance(accuracy, chance, min(found.shape)))
    quality = Quality(**values)
    if quality.better_than_chance is False:
        log.warning(
            "%s: the inferred correspondence is NO BETTER THAN CHANCE at finding partners: %s",
            where,
            _evidence(quality),
        )
    return quality


def assess_all(inference: Inference, dataset: Dataset, *, told: bool) -> dict[tuple[str, str], Quality]:
    """Judge the inferred correspondence of every two modalities, where there is anything to judge it by.

    Parameters
    ----------
    inference
        To be judged.
    dataset
        The cells, with all pairs that are true and those that are known.
    told
        Whether the inferer was told the known pairs; only the other cells are then judged.
    """
    found = {}
    for (a, b), correspondence in inference.correspondences.items():
        truth, known = dataset.truth.between(a, b), dataset.known.between(a, b)
        frames = [dataset.modalities[m].obs for m in (a, b)]
        if told:
            rows, columns = known.best_partner() < 0, known.T.best_partner() < 0
            correspondence, truth = correspondence.subset(rows, columns), truth.subset(rows, columns)
            frames = [frames[0][rows], frames[1][columns]]
        label = next((c for c in dataset.labels if all(c in obs and obs[c].notna().all() for obs in frames)), None)
        labels = None if label is None else (as_labels(frames[0][label]), as_labels(frames[1][label]))
        if min(correspondence.shape) > 0:  # else every cell's partner was told, and nothing is left to judge
            judged = "better_than_chance" in inference.found[a, b].diagnostics
            where = f"correspondence {a}--{b}"
            found[a, b] = assess(correspondence, truth, labels=labels, where=where, judged=judged)
    return found


def _type_beats_chance(accuracy: float, chance: float, n_cells: int) -> bool | None:
    """Whether labels agree more often than by chance; None where even half of what can be reached would not show."""
    enough = chance + STANDARD_ERRORS * np.sqrt(chance * (1 - chance) / n_cells)
    return bool(accuracy > enough) if accuracy > enough or enough < (1 + chance) / 2 else None


def _evidence(quality: Quality) -> str:
    parts = []
    if quality.mean_quantile is not None:
        parts.append(
            f"mean quantile of the true partner {quality.mean_quantile:.3f} +- {quality.quantile_error:.3f} "
            "(0 best, 0.5 chance)"
        )
    if quality.type_accuracy is not None:
        parts.append(f"type accuracy {quality.type_accuracy:.3f} (chance {quality.type_chance:.3f})")
    return f"{', '.join(parts)}"


def _against_truth(found: Correspondence, truth: Correspondence) -> dict[str, Any]:
    ranks = partner_ranks(found.matrix, *truth.pairs())
    chance = chance_of_top(1, found.shape)
    return {
        "mean_quantile": ranks.mean_quantile,
        "quantile_error": ranks.quantile_error,
        "quantile_curve": tuple(np.quantile(ranks.quantile, np.linspace(0, 1, _CURVE)).tolist()),
        "top1": float(ranks.top_1.mean()),
        "top1_chance": chance,
        "mass": float(ranks.mass.mean()),
        "mass_chance": chance,
        "better_than_chance": beats_chance(ranks),
    }
