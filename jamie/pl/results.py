"""What a MuData carries of a run, as figures read it: tables, latents, labels, measured values and pairs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from jamie.core.data import Block, ModalityData
from jamie.core.errors import DataError, MissingResultError
from jamie.core.labels import label_series
from jamie.core.names import EMBEDDING, SPLIT, UNS_KEY
from jamie.core.suggest import suggest_names
from jamie.data.annotations import cell_annotations
from jamie.data.blocks import choose_block
from jamie.data.writing.names import stored_name
from jamie.metrics.scopes import PREFERRED
from jamie.spec import Spec, load_spec

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

_FROM_A_RUN = "give the result.h5mu of a run, or what JAMIE.to_mudata returns"


def results(mdata: MuData, where: str) -> Mapping[str, Any]:
    """Return ``uns["jamie"]``.

    Raises
    ------
    MissingResultError
        Where there is none.
    """
    found = mdata.uns.get(UNS_KEY)
    if not isinstance(found, Mapping):
        raise MissingResultError('expected results in uns["jamie"], found none', where=where, fix=_FROM_A_RUN)
    return found


def table(mdata: MuData, name: str, where: str) -> pd.DataFrame:
    """Return a table of the results that has rows.

    Raises
    ------
    MissingResultError
        Where there is none, or it is empty.
    """
    found = results(mdata, where).get(name)
    if found is None or not len(found):
        raise MissingResultError(f"expected the table '{name}' of results, found none", where=where, fix=_FROM_A_RUN)
    return found


@lru_cache(maxsize=8)
def _spec(text: str) -> Spec:
    return load_spec(yaml.safe_load(text), reads_data=False)


def run_spec(mdata: MuData, where: str) -> Spec:
    """Return the spec of the run that the results are of."""
    text = results(mdata, where).get("spec")
    if not text:
        raise MissingResultError("expected the spec of a run, found none", where=where, fix=_FROM_A_RUN)
    return _spec(str(text))


def methods_using_labels(mdata: MuData) -> set[str]:
    """Return the methods that use the labels: no comparison by labels is fair to the others."""
    methods = mdata.uns[UNS_KEY].get("methods", pd.DataFrame())
    return set(methods.loc[methods["uses_labels"].astype(bool), "method"]) if len(methods) else set()


def run_modalities(mdata: MuData) -> list[str]:
    """Return the modalities that the run used, by the split that it left in obs."""
    return [m for m, adata in mdata.mod.items() if SPLIT in adata.obs or EMBEDDING in adata.obsm]


def modality(mdata: MuData, name: str, where: str) -> AnnData:
    """Return one modality.

    Raises
    ------
    DataError
        Where there is none of that name.
    """
    if name not in mdata.mod:
        raise DataError(f"unknown modality '{name}'", where=where, fix=suggest_names(name, list(mdata.mod)))
    return mdata.mod[name]


def directions(mdata: MuData) -> list[tuple[str, str]]:
    """Return each two modalities, from the first to the second and back."""
    return [ends for a, b in combinations(run_modalities(mdata), 2) for ends in ((a, b), (b, a))]


def measured(mdata: MuData, name: str, where: str) -> Block:
    """Return the values of a modality that were to be imputed, as they were measured, with their features."""
    settings = run_spec(mdata, where).modality(name)
    chosen = settings if settings.target is None else settings.target
    return choose_block(modality(mdata, name, where), chosen.layer, chosen.obsm, where)


def partners(mdata: MuData, source: str, target: str, where: str) -> NDArray[np.int64]:
    """(n_s,) for each cell of a modality its true partner in another, -1 where there is none."""
    nothing = Block(np.empty((0, 0), np.float32), pd.Index([]))
    cells = {m: ModalityData(m, cell_annotations(mdata, m), nothing, nothing) for m in run_modalities(mdata)}
    pairs = run_spec(mdata, where).correspondence.known.build().pairs(cells)
    return pairs.mutual_best().between(source, target).best_partner()


def column(mdata: MuData, name: str, key: str, where: str) -> pd.Series:
    """Column of obs of a modality, or of the MuData; where it has none, that of its cells' partners.

    Raises
    ------
    MissingResultError
        Where no modality has such a column.
    """
    modality(mdata, name, where)
    obs = {m: cell_annotations(mdata, m) for m in mdata.mod}
    key = stored_name(key, {column for one in obs.values() for column in one})
    if key in obs[name]:
        return obs[name][key]
    carriers = [m for m in run_modalities(mdata) if key in obs[m] and m != name]
    if name not in run_modalities(mdata) or not carriers:
        known = list(dict.fromkeys(str(column) for one in obs.values() for column in one))
        raise MissingResultError(
            f"expected a column '{key}' of obs, found none", where=where, fix=suggest_names(key, known)
        )
    values = obs[carriers[0]][key].astype(object).to_numpy()
    partner = partners(mdata, name, carriers[0], where)
    found = pd.Series(values[partner], index=obs[name].index, name=key)
    return found.where(partner >= 0)


def all_labels(mdata: MuData, key: str) -> pd.Series:
    """Return the values of a column of obs in all modalities as text, one after the other: colours go by them."""
    obs = [cell_annotations(mdata, m) for m in mdata.mod]
    key = stored_name(key, {column for one in obs for column in one})
    found = [label_series(one[key]) for one in obs if key in one]
    return pd.concat(found) if found else pd.Series(dtype=object)


def select_scope(rows: pd.DataFrame, scope: str | None, where: str) -> tuple[str, pd.DataFrame]:
    """Return the rows of a scope; by default the most honest one that there is.

    Raises
    ------
    MissingResultError
        Where there are no rows of that scope.
    """
    found = [one for one in PREFERRED if (rows["scope"] == one).any()]
    if not found or (scope is not None and scope not in found):
        problem = f"expected scores of {scope or 'any cells'}, found {', '.join(found) or 'none'}"
        raise MissingResultError(problem, where=where, fix="name a scope that the run has scored")
    chosen = found[0] if scope is None else scope
    return chosen, rows[rows["scope"] == chosen]
