"""Imputed modalities of a run, beside the values of the methods that the model is compared with."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.context import Context
from jamie.core.imputation import ImputedChunk, LazyImputation
from jamie.core.matrix import to_dense
from jamie.core.sources import JointSources, all_others, joint_cells
from jamie.data.writing.writable import Adjustments, writable_frame
from jamie.methods.result import MethodResult
from jamie.model.fitted_model import FittedModel
from jamie.model.imputation import add_imputability, provenance, uncertainty_layers
from jamie.preprocess.prepare import Prepared
from jamie.runs.annotated_mudata import bound_layers, cell_columns, drop_imputability, replace_run_columns
from jamie.runs.directory import OutputDirectory
from jamie.runs.file_names import imputed_file
from jamie.runs.imputed_files import save_imputed
from jamie.runs.write_guards import FileFailures

if TYPE_CHECKING:
    from mudata import MuData

LARGEST_IMPUTED = 2 * 2**30  # bytes of one file of imputed values that a run writes without being asked

_COMPRESSED = 2**26  # bytes; imputed values shrink by a fifth, which takes twenty times as long as to write them

log = logging.getLogger(__name__)


def write_imputed(
    run: OutputDirectory,
    failures: FileFailures,
    results: Sequence[MethodResult],
    prepared: Prepared,
    mdata: MuData,
    model: FittedModel,
) -> None:
    """Write every modality imputed from every other, as ``imputed/<source>-to-<target>.h5ad``, and from all others.

    The spec's `imputed` says which: a large one is written a block of cells at a time, without what stands beside it.

    The model's values are in ``X``, their standard deviations and intervals and the values of the other methods in
    layers (``ridge``, ``ridge_lower``, ``ridge_upper``), unless they would be too large. The
    target's features keep their annotations in `mdata`. A model that only embeds leaves nothing to write.
    """
    wanted = model.spec.imputed
    if wanted == "none" or not model.imputes:
        return
    others = tuple(result for result in results[1:] if result.imputed)
    values = _ImputedResults(model, prepared, mdata, cell_columns(prepared, None, model), others)
    directions = [JointSources((source,), target) for source, target in permutations(prepared.scores, 2)]
    for joint in (*directions, *all_others(list(prepared.scores))):
        source, target = joint.name, joint.target
        candidates = (values.imputed(joint), values.imputed(joint, layers=False))
        small_enough = [imputed for imputed in candidates if imputed.n_bytes <= LARGEST_IMPUTED]
        name = imputed_file(source, target)
        if not small_enough and wanted == "small":
            log.warning(
                "%s is left out, since it would hold %.1f GiB; imputed: all writes it, and so does jamie impute",
                *(name, candidates[-1].n_bytes / 2**30),
            )
            continue
        chosen = (*small_enough, candidates[-1])[0]
        with failures.collect(name), run.writing(name) as path:
            save_imputed(chosen, path, Context(), compression="gzip" if chosen.n_bytes <= _COMPRESSED else None)


@dataclass(frozen=True)
class _ImputedResults:
    """Imputed values of the model and of other methods, for the cells of a run.

    Parameters
    ----------
    model
        The fitted model.
    prepared
        The cells of the run.
    mdata
        Its data.
    obs
        Columns to add to each modality's `obs`.
    others
        Results of the other methods that impute.
    """

    model: FittedModel
    prepared: Prepared
    mdata: MuData
    obs: Mapping[str, pd.DataFrame]
    others: tuple[MethodResult, ...]

    def imputed(self, joint: JointSources, *, layers: bool = True) -> LazyImputation:
        """Return one modality imputed from others, for the cells that all have; without `layers` the values alone."""
        data, cells = self.prepared.dataset.modalities, joint_cells(self.prepared.dataset.truth, joint)
        first, target, direction = joint.sources[0], joint.target, (joint.name, joint.target)
        names = uncertainty_layers(self.model, joint)
        for other in self.others:
            names += (other.method,) if direction in other.imputed else ()
            names += bound_layers(other.method) if direction in other.intervals else ()
        obs = writable_frame(data[first].obs, "obs", Adjustments())  # which the run has logged before
        return LazyImputation(
            obs=replace_run_columns(obs, self.obs[first]).iloc[cells[:, 0]],
            var=add_imputability(self.model, joint, self._var(target)),
            layers=names if layers else (),
            provenance=provenance(joint, data[target].target.origin),
            rows=partial(self._rows, joint, cells, layers),
        )

    def _rows(self, joint: JointSources, cells: NDArray[np.int64], layers: bool, rows: slice) -> ImputedChunk:
        inputs = [self.prepared.inputs(m, cells[rows, i]) for i, m in enumerate(joint.sources)]
        data = self.prepared.dataset.modalities
        obs = [data[m].obs.iloc[cells[rows, i]] for i, m in enumerate(joint.sources)]
        imputed = self.model.impute_jointly(joint, inputs, obs=obs, intervals=layers)
        matrices: dict[str, NDArray[np.floating]] = imputed.uncertainty
        direction = joint.name, joint.target
        for other in self.others if layers else ():
            if direction in other.imputed:
                matrices[other.method] = to_dense(other.imputed[direction](rows))
                bounds = other.intervals[direction](rows) if direction in other.intervals else None
                matrices |= dict(zip(bound_layers(other.method), bounds, strict=True)) if bounds else {}
        return ImputedChunk(imputed.mean, matrices)

    def _var(self, target: str) -> pd.DataFrame:
        """Return annotations of a target's features; those of a target in `obsm` have names alone."""
        features, var = self.prepared.dataset.modalities[target].target.features, self.mdata.mod[target].var
        annotated = var.index.is_unique and features.isin(var.index).all()
        var = var.loc[features] if annotated else pd.DataFrame(index=features)
        return drop_imputability(var)
