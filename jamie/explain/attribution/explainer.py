"""Attribution: which features a label transfer relies on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from jamie.core.context import Context
from jamie.core.explanation import Explainable, Explanation
from jamie.core.interfaces import Explainer
from jamie.explain.attribution.integrated_gradients import Contributions, contributions
from jamie.explain.attribution.markers import enrichment, read_markers, require_labels, require_markers
from jamie.explain.attribution.task import Direction, attribution_task
from jamie.explain.background import Background
from jamie.explain.selection import CellChoice, choose_label, choose_modality

TOLERANCE = 0.05  # of the margins' standard deviation, that contributions may lack of adding up


class Attribution(Explainer):
    r"""Features by which cells of one label are told from the others in a vote of nearest neighbours.

    .. math:: \text{score}_{jc} = \frac{1}{n_c} \sum_{i: y_i = c} \phi_j(x_i)

    Labelled training cells of another modality vote on each cell's label in the latent space, with weights that fall
    smoothly with distance, so that about k of them count. The margin of the vote is the logarithm of the votes for the
    cell's own label over those for all others. The contribution phi of a feature is its part in the difference between
    the margins of the cell and of one that has the background of every feature: integrated gradients, which add up to
    that difference.

    Parameters
    ----------
    modality
        Whose features are ranked; the first by default.
    reference
        Modality whose cells vote; the first other one by default. It may be the same: then no cell votes on itself.
    label
        Column of obs; by default the first of the spec's labels.
    k
        Effective number of voters, below that of all labelled cells that vote on a cell.
    background
        What a cell is compared with: of each feature the ``mean``, ``median`` or ``minimum`` over the training cells,
        or ``zero``.
    cells
        That are explained: ``all``, ``held_out`` or ``train``; held-out ones by default, where there are any.
    max_cells
        At most so many of them, and so many that vote, drawn at random; null for all.
    steps
        Points on the way from the background to a cell at which gradients are taken.
    top
        Features of each label that are listed; null for all.
    markers
        Known markers, ``label: [feature, ...]`` or a file: a table (.csv, .tsv) with columns `label` and `feature`,
        YAML, or GMT. How high they rank is reported.
    """

    name: ClassVar[str] = "attribution"
    references: ClassVar[tuple[str, ...]] = ("10.48550/arXiv.1703.01365",)

    def __init__(
        self,
        *,
        modality: str | None = None,
        reference: str | None = None,
        label: str | None = None,
        k: PositiveInt = 5,
        background: Background = "mean",
        cells: CellChoice | None = None,
        max_cells: PositiveInt | None = 2000,
        steps: Annotated[int, Field(ge=1, le=256)] = 16,
        top: PositiveInt | None = 100,
        markers: Path | dict[str, list[str]] | None = None,
    ) -> None:
        self.modality, self.reference, self.label = modality, reference, label
        self.k, self.background = k, background
        self.cells, self.max_cells = cells, max_cells
        self.steps, self.top, self.markers = steps, top, markers

    @classmethod
    def test_params(cls) -> dict[str, Any]:
        return {"steps": 4, "top": 5}

    def _explain(self, subject: Explainable, context: Context) -> Explanation:
        direction = self._direction(subject)
        modality = direction.modality
        markers = read_markers(self.markers) if isinstance(self.markers, Path) else self.markers
        task = attribution_task(
            subject,
            direction,
            k=self.k,
            background=self.background,
            which=self.cells,
            most=self.max_cells,
            context=context,
        )
        names = list(map(str, task.votes.classes))
        features = subject.dataset.modalities[modality].input.features
        if markers is not None:
            require_labels(markers, names, f"{direction.where}, markers")
            require_markers(markers, features, f"{direction.where}, markers")
        found = contributions(task, self.steps, context)
        tables = {"features": _ranked(names, features, found.scores, self.top)}
        if markers is not None:
            tables["markers"] = enrichment(markers, names, features, found.scores)
        settings = {
            "modality": modality,
            "reference": direction.reference,
            "direction": f"{direction.reference} to {modality}",
            "label": direction.label,
            "k": task.votes.k,
            "background": self.background,
            "steps": self.steps,
            "n_cells": task.removal.n_cells,
            "baseline": found.accuracy,
            "error": found.error,
            "markers": {name: list(known) for name, known in (markers or {}).items()},
        }
        title = f"{direction.label} of {modality} cells, by votes of {direction.reference} cells"
        return Explanation(self.name, title, settings, tables, notes=_notes(found))

    def _direction(self, subject: Explainable) -> Direction:
        where = f"explainer '{self.name}'"
        modality = choose_modality(subject, self.modality, f"{where}, modality")
        other_than = modality if self.reference is None else None
        reference = choose_modality(subject, self.reference, f"{where}, reference", other_than=other_than)
        label = choose_label(subject, self.label, (modality, reference), f"{where}, label")
        return Direction(modality, reference, label, where)


def _ranked(labels: list[str], features: pd.Index, scores: NDArray[np.float64], top: int | None) -> pd.DataFrame:
    """Features of each label, the most important first."""
    parts = []
    for label, of_label in zip(labels, scores, strict=True):
        if np.isnan(of_label).all():
            continue
        order = np.argsort(-of_label, kind="stable")[:top]
        rank = np.arange(1, len(order) + 1)
        parts.append(pd.DataFrame({"label": label, "rank": rank, "feature": features[order], "score": of_label[order]}))
    return pd.concat(parts, ignore_index=True)


def _notes(found: Contributions) -> tuple[str, ...]:
    if found.error <= TOLERANCE:
        return ()
    return (
        f"Contributions miss the margin that they should add up to by {found.error:.2g} of its standard deviation; "
        "raise steps.",
    )
