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
from jamie.explain.attribution.integrated_gradients import integrated_gradients
from jamie.explain.attribution.markers import marker_enrichment, read_markers, require_markers
from jamie.explain.attribution.task import LabelVote, attribution_task
from jamie.explain.removal import BackgroundValue
from jamie.explain.selection import CellSelection, CellSubset, choose_label, choose_modality, require_known

TOLERANCE = 0.05  # of the margins' standard deviation, by which the sums of contributions may be off


class Attribution(Explainer):
    r"""Features that a label transfer by nearest neighbors relies on, for each label.

    .. math:: \text{score}_{jc} = \frac{1}{n_c} \sum_{i: y_i = c} \phi_j(x_i)

    Labelled training cells of another modality vote on each cell's label in the latent space, with weights that fall
    smoothly with distance, so that about k of them count. The margin of the vote is the logarithm of the votes for the
    cell's own label over the votes for all others. A feature's contribution phi is its part in the difference between
    the margin of the cell and the margin of a cell that has the background value of every feature. Contributions are
    integrated gradients, which add up to that difference.

    Parameters
    ----------
    modality
        Whose features are ranked; the first by default.
    reference
        Modality whose cells vote; by default the first one that is not `modality`. If it is `modality`, no cell votes
        on itself.
    label
        Column of obs; by default the first of the spec's labels.
    k
        Effective number of voters; below the number of labelled cells that vote on a cell.
    background
        Background value of each feature: its ``mean``, ``median`` or ``minimum`` over the training cells, or ``zero``.
    cells
        Cells that are explained: ``all``, ``held_out`` or ``train``; by default held-out cells if there are any,
        otherwise all.
    max_cells
        Largest number of explained cells, and of voting cells, drawn at random; null for all.
    steps
        Points on the path from the background to a cell at which gradients are taken.
    top
        Number of features that are listed for each label; null for all.
    markers
        Known markers, ``label: [feature, ...]`` or a file: a table (.csv, .tsv) with columns `label` and `feature`,
        YAML, or GMT. Their ranks are reported.
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
        background: BackgroundValue = "mean",
        cells: CellSubset | None = None,
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
        where = f"explainer '{self.name}'"
        vote = self._vote(subject, where)
        markers = read_markers(self.markers) if isinstance(self.markers, Path) else self.markers
        selection = CellSelection(self.cells, self.max_cells, context)
        task = attribution_task(subject, vote, self.k, self.background, selection)
        labels = list(map(str, task.votes.classes))
        features = subject.dataset.modalities[vote.modality].input.features
        if markers is not None:
            require_known(markers, labels, "labels that are voted on", f"{where}, markers")
            require_markers(markers, features, f"{where}, markers")
        contributions = integrated_gradients(task, self.steps, context)
        tables = {"features": _ranked_features(labels, features, contributions.scores, self.top)}
        if markers is not None:
            tables["markers"] = marker_enrichment(markers, labels, features, contributions.scores)
        settings = {
            "modality": vote.modality,
            "reference": vote.reference,
            "direction": f"{vote.reference} to {vote.modality}",
            "label": vote.label,
            "k": task.votes.k,
            "background": self.background,
            "steps": self.steps,
            "n_cells": task.removal.n_cells,
            "baseline": contributions.accuracy,
            "error": contributions.error,
            "markers": {name: list(known) for name, known in (markers or {}).items()},
        }
        title = f"{vote.label} of {vote.modality} cells, by votes of {vote.reference} cells"
        note = (
            f"Contributions miss the margin that they should add up to by {contributions.error:.2g} of its standard "
            "deviation; raise steps."
        )
        notes = (note,) if contributions.error > TOLERANCE else ()
        return Explanation(self.name, title, settings, tables, notes=notes)

    def _vote(self, subject: Explainable, where: str) -> LabelVote:
        modality = choose_modality(subject, self.modality, f"{where}, modality")
        other_than = modality if self.reference is None else None
        reference = choose_modality(subject, self.reference, f"{where}, reference", other_than=other_than)
        label = choose_label(subject, self.label, (modality, reference), f"{where}, label")
        return LabelVote(modality, reference, label, where)


def _ranked_features(
    labels: list[str], features: pd.Index, scores: NDArray[np.float64], top: int | None
) -> pd.DataFrame:
    """Features of each label, the most important first."""
    parts = []
    for label, of_label in zip(labels, scores, strict=True):
        if not np.isnan(of_label).all():
            order = np.argsort(-of_label, kind="stable")[:top]
            columns = {"rank": np.arange(1, len(order) + 1), "feature": features[order], "score": of_label[order]}
            parts.append(pd.DataFrame({"label": label, **columns}))
    return pd.concat(parts, ignore_index=True)
