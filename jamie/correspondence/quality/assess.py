"""Quality of an inferred correspondence, if the truth or labels are known."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from jamie.core.correspondence import Correspondence
from jamie.core.data import Dataset
from jamie.core.labels import as_labels
from jamie.correspondence.couplings.coupling import row_entropy
from jamie.correspondence.infer import Inference
from jamie.correspondence.quality.partner_ranks import STANDARD_ERRORS, chance_of_top, label_agreement, partner_ranks
from jamie.correspondence.quality.scored_cells import find_scored_cells

_CURVE = 101  # points of the curve of quantiles

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Quality:
    """Quality of an inferred correspondence, and what chance would give; None if unknown.

    All but the entropy are means over both directions.

    Parameters
    ----------
    mean_row_entropy
        0 if every cell of a has one partner, 1 if all partners are equally likely.
    n_pairs
        Number of true pairs.
    held_out
        Whether these pairs were hidden from every inferer; else they are all those of the training cells.
    mean_quantile
        Fraction of the other cells that match better than the true partner, ties one half: 0 is best, 0.5 chance.
    quantile_error
        Standard error of `mean_quantile`.
    quantile_curve
        The quantile of the true partner at 0, 1, ..., 100 % of the pairs, the best first; chance is a line.
    top1, top1_chance
        How often the best match is the true partner; of tied best matches each counts its share.
    mass, mass_chance
        Fraction of a cell's confidence that its true partner has.
    type_accuracy, type_chance
        How often the best match has the cell's label.
    better_than_chance
        Whether the mean quantile (or else the type accuracy) is better than chance by three standard errors; None if
        there are too few cells to decide it by their type, or if hidden pairs have decided it already.
    """

    mean_row_entropy: float
    n_pairs: int = 0
    held_out: bool | None = None
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
        """Return the known fields as plain values."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def assess(
    inferred: Correspondence,
    truth: Correspondence,
    *,
    labels: tuple[ArrayLike, ArrayLike] | None = None,
    where: str = "correspondence",
    checked: bool = False,
) -> Quality:
    """Compute the quality of an inferred correspondence, and warn if it is no better than chance.

    Parameters
    ----------
    inferred : (n_a, n_b)
        The inferred correspondence.
    truth : (n_a, n_b)
        True pairs, ideally without the ones that the inferer used; may be empty.
    labels
        (n_a,) and (n_b,) labels of the cells.
    where
        For the messages.
    checked
        Whether hidden pairs have decided if it is better than chance; labels then do not.
    """
    values: dict[str, Any] = {"mean_row_entropy": float(row_entropy(inferred.matrix).mean()), "n_pairs": truth.n_pairs}
    evidence = []
    if truth.n_pairs:
        ranks = partner_ranks(inferred.matrix, *truth.pairs())
        chance = chance_of_top(1, inferred.shape)
        values |= {
            "mean_quantile": ranks.mean_quantile,
            "quantile_error": ranks.quantile_error,
            "quantile_curve": tuple(np.quantile(ranks.quantile, np.linspace(0, 1, _CURVE)).tolist()),
            "top1": float(ranks.top_1.mean()),
            "top1_chance": chance,
            "mass": float(ranks.mass.mean()),
            "mass_chance": chance,
            "better_than_chance": ranks.beat_chance,
        }
        quantile = f"{ranks.mean_quantile:.3f} +- {ranks.quantile_error:.3f}"
        evidence.append(f"mean quantile of the true partner {quantile} (0 best, 0.5 chance)")
    if labels is not None:
        accuracy, chance = label_agreement(inferred.matrix, *labels)
        values |= {"type_accuracy": accuracy, "type_chance": chance}
        evidence.append(f"type accuracy {accuracy:.3f} (chance {chance:.3f})")
        if not checked:
            values.setdefault("better_than_chance", _types_beat_chance(accuracy, chance, min(inferred.shape)))
    if values.get("better_than_chance") is False:
        message = "%s: the inferred correspondence is NO BETTER THAN CHANCE at finding partners: %s"
        log.warning(message, where, ", ".join(evidence))
    return Quality(**values)


def assess_all(inference: Inference, dataset: Dataset, *, uses_known: bool) -> dict[tuple[str, str], Quality]:
    """Compute the quality of the inferred correspondence of every two modalities.

    Parameters
    ----------
    inference
        Inferred correspondences.
    dataset
        The cells, with all true pairs and the known ones.
    uses_known
        Whether the inferer used the known pairs (`find_scored_cells`).
    """
    qualities = {}
    for (a, b), correspondence in inference.correspondences.items():
        cells = find_scored_cells(dataset, a, b, uses_known=uses_known)
        if cells is None:  # every cell has a known partner
            continue
        correspondence = correspondence.subset(cells.rows, cells.columns)
        frames = [dataset.modalities[m].obs.iloc[index] for m, index in ((a, cells.rows), (b, cells.columns))]
        label = next((c for c in dataset.labels if all(c in obs and obs[c].notna().all() for obs in frames)), None)
        labels = None if label is None else (as_labels(frames[0][label]), as_labels(frames[1][label]))
        checked = "better_than_chance" in inference.inferred[a, b].diagnostics
        where = f"correspondence {a}--{b}"
        quality = assess(correspondence, cells.truth, labels=labels, where=where, checked=checked)
        qualities[a, b] = replace(quality, held_out=cells.held_out if quality.n_pairs else None)
    return qualities


def _types_beat_chance(accuracy: float, chance: float, n_cells: int) -> bool | None:
    """Whether labels agree more often than by chance; None if half of the possible excess would not be significant."""
    enough = chance + STANDARD_ERRORS * np.sqrt(chance * (1 - chance) / n_cells)
    return bool(accuracy > enough) if accuracy > enough or enough < (1 + chance) / 2 else None
