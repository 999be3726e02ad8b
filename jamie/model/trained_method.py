"""A method as the model of a run, with the preprocessing of the cells that it was fitted on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.batch_key import BatchKey
from jamie.core.correspondence import Correspondences
from jamie.core.errors import DataError
from jamie.core.interfaces import Method
from jamie.core.labels import as_labels
from jamie.data.writing.names import stored_name
from jamie.model.fitted_model import FittedModel, Floats
from jamie.model.trained_modality import TrainedModality
from jamie.spec import Spec
from jamie.trust.uncertainty import Uncertainty


@dataclass(frozen=True)
class TrainedMethod(FittedModel):
    """A fitted method.

    Parameters
    ----------
    spec
        Names the method.
    modalities
        In the order of the spec.
    method
        Fitted.
    cells
        Names of the training cells of each modality, where the method embeds no others; else empty.
    batches
        Of the training cells; None without a batch key.
    uncertainty
        Calibration of imputed values, and novelty scores.
    """

    spec: Spec
    modalities: Mapping[str, TrainedModality]
    method: Method
    cells: Mapping[str, pd.Index] = field(default_factory=dict)
    batches: BatchKey | None = None
    uncertainty: Uncertainty = field(default_factory=Uncertainty)

    @property
    def embeds(self) -> bool:
        """Whether the method embeds."""
        return self.method.embeds()

    @property
    def imputes(self) -> bool:
        """Whether the method imputes."""
        return self.method.imputes()

    @property
    def inductive(self) -> bool:
        """Whether the method embeds any cells."""
        return self.method.inductive

    def encode(
        self, modality: str, scores: Floats, covariates: Floats | None = None, obs: pd.DataFrame | None = None
    ) -> NDArray[np.floating]:
        self.require_embedding()
        if self.inductive:
            return self.method.embed({modality: scores}, {} if covariates is None else {modality: covariates})[modality]
        return self._latents[modality][self._rows_of(modality, pd.Index([]) if obs is None else obs.index)]

    def impute_scores(
        self,
        source: str,
        target: str,
        scores: Floats,
        covariates: Floats | None = None,
        obs: pd.DataFrame | None = None,
    ) -> Floats:
        self.require_imputation()
        labels = self._labels(source, obs) if "labels" in self.method.needs else None
        return self.method.impute(scores, source, target, labels, covariates).mean.astype(np.float32)

    def aggregate(
        self, latents: Mapping[str, NDArray[np.floating]], correspondences: Correspondences
    ) -> dict[str, NDArray[np.floating]]:
        """Return the latents as they are: a method has no aggregator."""
        return dict(latents)

    @cached_property
    def _latents(self) -> Mapping[str, NDArray[np.floating]]:
        """(n_m, L) of the training cells, of a method that embeds no others."""
        # that the cells are these is known by their names; the method asks for their number alone
        return self.method.embed({m: np.empty((len(names), 0), np.float32) for m, names in self.cells.items()})

    def _rows_of(self, modality: str, names: pd.Index) -> NDArray[np.intp]:
        rows = self.cells[modality].get_indexer(names.astype(str))
        unknown = np.flatnonzero(rows < 0)
        if len(unknown) or not len(names):
            first = f"; the first is '{names[unknown[0]]}'" if len(unknown) else ""
            raise DataError(
                f"expected training cells of {modality}, which are all that the method embeds, found {len(unknown)} "
                f"others among {len(names)}{first}",
                where=f"method '{self.name}'",
                fix="leave the others out, or fit a method that embeds any cells, such as rcca",
            )
        return rows

    def _labels(self, source: str, obs: pd.DataFrame | None) -> NDArray[np.object_]:
        label = stored_name(self.spec.labels[0], () if obs is None else obs.columns)
        if obs is None or label not in obs:
            raise DataError(
                f"expected the label of each cell of {source}, which the method imputes by, found no column '{label}'",
                where=f"method '{self.name}'",
                fix=f"add the column '{label}' to obs, or fit a method that reads no labels, such as stack",
            )
        return as_labels(obs[label])
