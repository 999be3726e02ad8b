"""Results of a run in a MuData, as figures read them: tables, spec, labels, measured values and true pairs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.data import Block, ModalityData
from jamie.core.errors import DataError, MissingResultError
from jamie.core.labels import label_series
from jamie.core.names import EMBEDDING, MODEL_NAME, SPLIT, UNS_KEY
from jamie.core.suggest import suggest_names
from jamie.data.annotations import cell_annotations
from jamie.data.blocks import choose_block
from jamie.data.writing.names import stored_name
from jamie.metrics.scopes import PREFERRED
from jamie.spec import Spec, load_resolved

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

GIVE_RESULT = "give the result.h5mu of a run, or what JAMIE.to_mudata returns"


def run_results(mdata: MuData) -> Mapping[str, Any]:
    """Return ``uns["jamie"]``.

    Raises
    ------
    MissingResultError
        If there is none.
    """
    results = mdata.uns.get(UNS_KEY)
    if not isinstance(results, Mapping):
        raise MissingResultError('expected results in uns["jamie"], found none', fix=GIVE_RESULT)
    return results


def results_table(mdata: MuData, name: str, fix: str = GIVE_RESULT) -> pd.DataFrame:
    """Return a table of the results.

    Raises
    ------
    MissingResultError
        If there is none, or it has no rows.
    """
    table = run_results(mdata).get(name)
    if table is None or not len(table):
        raise MissingResultError(f"expected the table '{name}' of results, found none", fix=fix)
    return table


@lru_cache(maxsize=8)
def _parse_spec(text: str) -> Spec:
    return load_resolved(text)


def run_spec(mdata: MuData) -> Spec:
    """Return the spec of the run."""
    text = run_results(mdata).get("spec")
    if not text:
        raise MissingResultError("expected the spec of a run, found none", fix=GIVE_RESULT)
    return _parse_spec(str(text))


def model_name(mdata: MuData) -> str:
    """Return the name of the run's model among the methods: ``jamie``, or that of a method in its place."""
    methods = mdata.uns.get(UNS_KEY, {}).get("methods", pd.DataFrame())
    return str(methods["method"].iloc[0]) if len(methods) else MODEL_NAME  # the model is the first


def methods_using_labels(mdata: MuData) -> set[str]:
    """Return the methods that use the labels: no comparison by labels is fair to the others."""
    methods = mdata.uns[UNS_KEY].get("methods", pd.DataFrame())
    return set(methods.loc[methods["uses_labels"].astype(bool), "method"]) if len(methods) else set()


def run_modalities(mdata: MuData) -> list[str]:
    """Return the modalities that the run used: those with its split or its embedding."""
    return [m for m, adata in mdata.mod.items() if SPLIT in adata.obs or EMBEDDING in adata.obsm]


def get_modality(mdata: MuData, name: str) -> AnnData:
    """Return one modality.

    Raises
    ------
    DataError
        If there is none of that name.
    """
    if name not in mdata.mod:
        raise DataError(f"unknown modality '{name}'", fix=suggest_names(name, list(mdata.mod)))
    return mdata.mod[name]


def measured_block(mdata: MuData, name: str) -> Block:
    """Return the measured values of the features that the model predicts for a modality."""
    settings = run_spec(mdata).modality(name)
    block = settings if settings.target is None else settings.target
    return choose_block(get_modality(mdata, name), block.layer, block.obsm, name)


def true_partners(mdata: MuData, source: str, target: str) -> NDArray[np.int64]:
    """Return for each cell of a modality (n_s,) the row of its true partner in another, -1 if it has none."""
    empty = Block(np.empty((0, 0), np.float32), pd.Index([]))
    cells = {m: ModalityData(m, cell_annotations(mdata, m), empty, empty) for m in run_modalities(mdata)}
    pairs = run_spec(mdata).correspondence.known.build().pairs(cells)
    return pairs.mutual_best().between(source, target).best_partner()


def obs_column(mdata: MuData, modality: str, key: str) -> pd.Series:
    """Return a column of obs of a modality, or of the MuData; if there is none, that of the cells' true partners.

    Raises
    ------
    MissingResultError
        If no modality has such a column.
    """
    get_modality(mdata, modality)
    obs = {m: cell_annotations(mdata, m) for m in mdata.mod}
    columns = list(dict.fromkeys(str(column) for table in obs.values() for column in table))
    key = stored_name(key, columns)
    if key in obs[modality]:
        return obs[modality][key]
    used = run_modalities(mdata)
    others = [m for m in used if key in obs[m] and m != modality]
    if modality not in used or not others:
        raise MissingResultError(f"expected a column '{key}' of obs, found none", fix=suggest_names(key, columns))
    partner = true_partners(mdata, modality, others[0])
    values = obs[others[0]][key].astype(object).to_numpy()[partner]
    return pd.Series(values, index=obs[modality].index, name=key).where(partner >= 0)


def all_labels(mdata: MuData, key: str) -> pd.Series:
    """Return a column of obs of all modalities as text, concatenated: it decides the colours of labels."""
    obs = [cell_annotations(mdata, m) for m in mdata.mod]
    key = stored_name(key, {column for table in obs for column in table})
    columns = [label_series(table[key]) for table in obs if key in table]
    return pd.concat(columns) if columns else pd.Series(dtype=object)


def select_scope(rows: pd.DataFrame, scope: str | None) -> tuple[str, pd.DataFrame]:
    """Return a scope and its rows; by default the preferred scope, held-out cells first.

    Raises
    ------
    MissingResultError
        If there are no rows of that scope.
    """
    scopes = [name for name in PREFERRED if (rows["scope"] == name).any()]
    if not scopes or (scope is not None and scope not in scopes):
        problem = f"expected scores of {scope or 'any cells'}, found {', '.join(scopes) or 'none'}"
        raise MissingResultError(problem, fix="name a scope that the run has scored")
    selected = scopes[0] if scope is None else scope
    return selected, rows[rows["scope"] == selected]
