"""The class `JAMIE`: the same spec and stages as a run, on MuData in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.commands.embed import embed_mudata, open_model
from jamie.commands.fit import Fitted, fit
from jamie.commands.impute import impute_cells, one_or_several
from jamie.commands.transfer import EmbeddedCells, choose_modalities, pairs_between, split_of, transfer_cells
from jamie.commands.write_results import to_mudata
from jamie.core.context import Context, Progress
from jamie.core.errors import DataError
from jamie.core.explanation import Explanation
from jamie.core.global_state import keep_global_state
from jamie.core.interfaces.results import Explainer
from jamie.data.assemble import mudata_conventions
from jamie.data.checks.modalities import require_class, require_modality
from jamie.data.load import dataset_from
from jamie.explain.from_mudata import build_explainer, explained_model
from jamie.metrics.records import to_table
from jamie.model.fitted_model import FittedModel
from jamie.model.query import MAX_MISSING, Query
from jamie.model.store import save_model_folder
from jamie.runs.tables import history_table
from jamie.runs.umap_coordinates import compute_layouts
from jamie.spec import Spec, load_single
from jamie.spec.short_names import to_dotted_keys
from jamie.training.device import device_for
from jamie.training.processes import count_processes

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


class JAMIE:
    """A joint VAE for multimodal single-cell data.

    Parameters
    ----------
    spec
        A preset (``"default"``, ``"fast"``, ``"paper"``), a spec file, or the same as a mapping; its
        `data` are not read.
    overrides
        Settings to change, by dotted key: ``{"modalities.rna.layer": "counts"}``.
    progress
        Called as ``progress(stage, done, total, values)`` while fitting.
    **settings
        Frequent settings by their short name: `latent_dim`, `max_epochs`, `batch_size`, `seed`,
        `labels`, `infer`, `method` (a method in place of the joint VAE: ``method={"knn": {"k": 10}}``), ...

    Examples
    --------
    >>> model = jamie.JAMIE("fast", latent_dim=4, max_epochs=2).fit(mdata)
    >>> model.embed(mdata)
    >>> mdata.obsm["X_jamie"].shape
    (60, 4)
    >>> model.impute(mdata, source="rna", to="protein").shape
    (60, 5)
    """

    def __init__(
        self,
        spec: str | Path | Mapping[str, Any] = "default",
        overrides: Mapping[str, Any] | None = None,
        *,
        progress: Progress | None = None,
        **settings: Any,
    ) -> None:
        self.spec: Spec = load_single(spec, to_dotted_keys(settings) | dict(overrides or {}), reads_data=False)
        self._progress = progress
        self._fitted: Fitted | None = None
        self._model: FittedModel | None = None

    def __repr__(self) -> str:
        state = f"trained on {', '.join(self._model.modalities)}" if self._model else "not trained"
        method, model = self.spec.method, self.spec.model
        what = f"latent_dim={model.latent_dim}" if method is None else f"method={method.name!r}"
        return f"JAMIE({self.spec.name!r}, {what}; {state})"

    @keep_global_state
    def fit(self, mdata: MuData) -> Self:
        """Train on the modalities of `mdata`, which is not modified.

        Raises
        ------
        JamieError
            If the data do not fit the spec, or training fails.
        """
        require_class(mdata, "fit", "MuData")
        context = self._context()
        count_processes(self.spec.training, context.device)  # in time: training comes late
        self._fitted = fit(dataset_from(mdata, self.spec, context), self.spec, context)
        self._model = self._fitted.model
        return self

    @property
    def model(self) -> FittedModel:
        """The fitted model: the joint VAE, or a method in its place.

        Raises
        ------
        DataError
            Before `fit`.
        """
        if self._model is None:
            raise DataError("the model is not trained yet", where="JAMIE", fix="call fit(mdata), or jamie.load(folder)")
        return self._model

    @property
    def metrics(self) -> pd.DataFrame:
        """Scores of the fit, one row each, as `Run.metrics`; empty for a loaded model."""
        return to_table(self._fitted.evaluation.records if self._fitted else ())

    @property
    def history(self) -> pd.DataFrame:
        """Losses by epoch and member of the ensemble, as `Run.history`; empty for a loaded model."""
        return history_table(self._fitted.histories if self._fitted else (), self.spec)

    @keep_global_state
    def embed(
        self, mdata: MuData, *, key_added: str | None = None, copy: bool = False, max_missing: float = MAX_MISSING
    ) -> MuData | None:
        """Embed cells, those of the training or new ones, in the latent space.

        Fills ``mdata[m].obsm[key_added]`` (n_m, L) for every modality of the model in `mdata`, and
        ``mdata.obsm[key_added]`` (n, L), in which cells of the same name in several modalities are aggregated; NaN
        for cells that are measured in none of them, with a warning.

        Parameters
        ----------
        mdata
            With features named as in training, in any order.
        key_added
            Key of `obsm`; ``X_jamie`` by default, and ``X_NAME`` where the model is the method NAME.
        copy
            Return a copy instead of filling `mdata`.
        max_missing
            Largest fraction of a modality's features that may be absent.
        """
        require_class(mdata, "embed", "MuData")
        if copy:
            with mudata_conventions():
                mdata = mdata.copy()
        embed_mudata(self.model, mdata, self._context(), key_added=key_added, max_missing=max_missing)
        return mdata if copy else None

    @keep_global_state
    def impute(
        self,
        data: MuData | AnnData,
        source: str | None = None,
        to: str | None = None,
        *,
        sources: Sequence[str] | None = None,
        features: Sequence[str] | None = None,
        intervals: bool | None = None,
        max_missing: float = MAX_MISSING,
        out: str | Path | None = None,
        overwrite: bool = False,
    ) -> AnnData | None:
        """Impute one modality from another, or from several at once.

        Parameters
        ----------
        data
            The source's cells: MuData, or the AnnData of the source, which may be backed by a file.
        source, to
            Modalities of the model; by default the only one of them in `data`, and the only other one of the model.
        sources
            Several modalities of a MuData, in place of `source`. Each cell is imputed from those that it was measured
            in, and ``obs["jamie_sources"]`` says which these are; NaN if there are none.
        features
            Features of `to` to impute; all by default.
        intervals
            Whether to add the layers ``sd``, ``lower`` and ``upper``; by default if the model has them and the values
            take at most 2 GiB.
        max_missing
            Largest fraction of the source's features that may be absent.
        out
            An .h5ad file or .zarr folder for the values, written a chunk of cells at a time, for values that do not fit
            in memory.
        overwrite
            Replace an existing `out`.

        Returns
        -------
        AnnData or None
            (n, p) values in the units of the target; cells of the source, features of the target. How well each feature
            is imputed in the calibration cells is in ``var["imputability"]``, the novelty of each cell (its distance to
            the training cells, ranked from 0 to 1) in ``obs["jamie_novelty"]``. None if they are written to `out`.

        Raises
        ------
        DataError
            If a modality is unknown, absent or named twice, or `source` and `sources` are both given.
        MemoryLimitError
            If the values would not fit in memory, and no `out` is given.
        """
        require_class(data, "impute", "MuData", "AnnData")
        return impute_cells(
            self.model,
            data,
            self._context(),
            one_or_several(source, sources),
            to,
            features=features,
            intervals=intervals,
            max_missing=max_missing,
            out=out,
            overwrite=overwrite,
        )

    @keep_global_state
    def transfer(
        self,
        mdata: MuData,
        label: str,
        source: str,
        to: str,
        *,
        k: int = 5,
        keep_partner: bool = False,
        max_missing: float = MAX_MISSING,
    ) -> pd.DataFrame:
        """Predict a label of one modality's cells from labelled cells of another, in the latent space.

        The k nearest labelled training cells vote, weighted by inverse distance. Training cells are those of the fit,
        or those with ``obs["jamie_split"] == "train"``; all cells of the source if neither is known.

        Parameters
        ----------
        mdata
            The cells of both modalities.
        label
            Column of obs of the source.
        source, to
            Modalities of the model.
        k
            Neighbors that vote.
        keep_partner
            Whether a cell's own partner, by the pairing of the spec, votes on it.
        max_missing
            Largest fraction of a modality's features that may be absent.

        Returns
        -------
        DataFrame
            One row for each cell of `to`: `cell`, `predicted`, `confidence` (the share of the votes), `truth` (None if
            unknown), `split`.
        """
        require_class(mdata, "transfer", "MuData")
        cells = {m: self._embedded_cells(mdata, m, max_missing) for m in (source, to)}
        choose_modalities(cells, label, source, to)
        pairs = pairs_between(self.spec.correspondence.known, cells[source], cells[to])
        return transfer_cells(cells[source], cells[to], label, pairs, k=k, keep_partner=keep_partner).table

    @keep_global_state
    def explain(
        self, mdata: MuData, explainer: str | Explainer = "shap", *, max_missing: float = MAX_MISSING, **params: Any
    ) -> Explanation:
        """Find the features that drive the model.

        Parameters
        ----------
        mdata
            With features named as in training, in any order. Modalities that the explainer does not need may be
            absent. Training cells are those of the fit, or those with ``obs["jamie_split"] == "train"``; all cells if
            there are none.
        explainer
            Name of a component (``jamie list explainer``), or an explainer.
        max_missing
            Largest fraction of a modality's features that may be absent.
        **params
            Parameters of the explainer, as in a spec: ``source="rna", features=["AP_width"]``.

        Returns
        -------
        Explanation
            Tables, and values of single cells from some explainers; `jamie.pl` draws them.

        Raises
        ------
        SpecError
            If there is no such explainer or parameter.
        DataError
            If the cells do not fit the model, or lack what the explainer needs.
        """
        require_class(mdata, "explain", "MuData")
        chosen, context = build_explainer(explainer, params, self.spec.registry), self._context()
        subject = explained_model(self.model, mdata, partial(self._split, mdata), context, max_missing, chosen)
        return chosen.explain(subject, context.for_stage(f"explain {chosen.name}"))

    def _embedded_cells(self, mdata: MuData, modality: str, max_missing: float) -> EmbeddedCells:
        self.model.require(modality)
        require_modality(modality, mdata.mod, "transfer")
        z = Query.from_mudata(self.model, modality, mdata, self._context(), max_missing).embed()
        return EmbeddedCells.from_mudata(mdata, modality, z, self._split(mdata, modality))

    def _split(self, mdata: MuData, modality: str) -> NDArray[np.object_]:
        """Return (n,) ``train``, ``held_out`` or ``new`` for the cells of a modality."""
        train = None
        if self._fitted is not None:
            prepared = self._fitted.prepared
            train = pd.Series(prepared.split.train[modality], prepared.dataset.modalities[modality].cells)
        return split_of(mdata.mod[modality], modality, train)

    @keep_global_state
    def to_mudata(self, mdata: MuData, *, layouts: bool = False) -> MuData:
        """Return the fitted data with embeddings, split, provenance and scores, as in ``result.h5mu``.

        Parameters
        ----------
        mdata
            The fitted cells, in any order; not modified.
        layouts
            Whether to add UMAP coordinates, which `jamie.pl.umap` draws.

        Raises
        ------
        DataError
            If it has other cells.
        """
        if self._fitted is None:
            raise DataError("the model was not fitted here", where="JAMIE", fix="use embed(mdata)")
        fitted = self._fitted
        coordinates = compute_layouts(fitted.prepared.scores, fitted.latents, self._context()) if layouts else {}
        return to_mudata(mdata, fitted, layouts=coordinates)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write the model into a folder: safetensors and JSON.

        Raises
        ------
        OutputError
            If the folder exists already, unless it holds a model and `overwrite` is true.
        """
        save_model_folder(self.model, Path(folder), overwrite=overwrite)

    def _context(self) -> Context:
        return Context(seed=self.spec.seed, device=device_for(self.spec.training.device)).with_progress(self._progress)


@keep_global_state
def load(
    path: str | Path,
    *,
    device: str = "auto",
    allow_unsafe_model: bool = False,
    progress: Progress | None = None,
    plugins: Sequence[str | Path] = (),
) -> JAMIE:
    """Load a model from a run directory, or from a folder that `JAMIE.save` wrote.

    Parameters
    ----------
    path
        A run directory or a saved model.
    device
        A torch device, or ``auto`` for the fastest available.
    allow_unsafe_model
        Whether files of a method's own format may be read by which code can run, such as a pickle: only where you trust
        whoever made them.
    progress
        As of `JAMIE`.
    plugins
        Python files with components of the model. Files that the model itself names are executed only if they are among
        these, or if you have run the same before.

    Returns
    -------
    JAMIE
        With the trained model, ready to embed and impute.

    Raises
    ------
    OutputError
        If there is no model, it has another format, or reading it could run code and is not allowed.

    Examples
    --------
    >>> model = jamie.load(run.path)
    >>> model.impute(mdata, source="rna", to="protein").shape
    (60, 5)
    """
    loaded = JAMIE.__new__(JAMIE)
    loaded._model, _ = open_model(Path(path), device=device, plugins=plugins, allow_unsafe=allow_unsafe_model)
    loaded.spec, loaded._fitted, loaded._progress = loaded._model.spec, None, progress
    return loaded
