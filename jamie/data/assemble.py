"""Modalities -> one MuData, with unique names of cells and features."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pandas as pd

from jamie.core.errors import DataError
from jamie.core.package_versions import set_pull_on_update

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

log = logging.getLogger(__name__)


@contextmanager
def mudata_conventions() -> Iterator[None]:
    """Keep obs columns in their modality (mudata's future default); no warnings about names, which are checked here."""
    before = set_pull_on_update(False)
    try:
        with warnings.catch_warnings():
            # Features are keyed by (modality, feature), so that a name in two modalities is no ambiguity.
            warnings.filterwarnings("ignore", message=".*names (are|is) not unique", category=UserWarning)
            warnings.filterwarnings("ignore", message="Duplicated (obs|var)_names", category=UserWarning)
            # mudata 0.4 reads a deprecated setting of anndata at each writing of zarr
            warnings.filterwarnings("ignore", message="This setting will be removed", category=DeprecationWarning)
            yield
    finally:
        set_pull_on_update(before)


def unique_names(names: pd.Index, where: str) -> pd.Index:
    """Return the names of features as text, repeats made unique by -1, -2, ..., with a warning."""
    names = pd.Index(names.astype(str))
    if names.is_unique:
        return names
    from anndata.utils import make_index_unique

    repeated = names[names.duplicated()]
    log.warning(
        "%s: %d features repeat the name of another (first: '%s'); they are renamed '%s-1' and so on",
        *(where, len(repeated), repeated[0], repeated[0]),
    )
    return make_index_unique(names)


def require_unique_cells(names: pd.Index, where: str) -> None:
    """Refuse a modality in which two cells have the same name."""
    if not names.is_unique:
        repeated = names[names.duplicated()]
        raise DataError(
            f"expected each cell to have a name of its own, found {len(repeated)} that repeat another's; "
            f"the first is '{repeated[0]}'",
            where=where,
            fix="add the sample or batch to the names, the same way in every modality, so that matched cells still "
            "agree",
        )


def require_usable_names(adata: AnnData, where: str) -> None:
    """Refuse repeated names of cells, and make those of features unique, in data that the caller owns."""
    adata.obs_names = adata.obs_names.astype(str)  # equal names of different text types of pandas would differ
    require_unique_cells(adata.obs_names, where)
    adata.var_names = unique_names(adata.var_names, where)


def assemble(modalities: Mapping[str, AnnData]) -> MuData:
    """Join modalities that were just read, so that the caller still owns them; feature names are made unique."""
    from mudata import MuData

    for name, adata in modalities.items():
        require_usable_names(adata, f"modality '{name}'")
    with mudata_conventions():
        return MuData(dict(modalities))
