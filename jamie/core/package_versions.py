"""What differs between versions of the packages below; no other file asks which version is installed."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from anndata import AnnData


def set_pull_on_update(value: bool | None) -> bool | None:
    """Set whether mudata copies obs columns between it and its modalities, and return what was set before."""
    import mudata

    if hasattr(mudata, "settings"):  # from mudata 0.4
        before: bool | None = mudata.settings.pull_on_update
        mudata.settings.pull_on_update = value
        return before
    # As a context, set_options logs through the root logger, which would install a handler there.
    changed: dict[str, Any] = mudata.set_options(pull_on_update=value).opts
    return changed["pull_on_update"]


def exact_floats() -> dict[str, Any]:
    """Return the arguments of `pandas.read_csv` for numbers that equal those written; the default from pandas 3 on."""
    import pandas as pd

    return {} if int(pd.__version__.partition(".")[0]) >= 3 else {"float_precision": "round_trip"}


def layer_names(adata: AnnData) -> list[str]:
    """Names of the layers; anndata from 0.13 on lists X among them, as None."""
    return [name for name in adata.layers if name is not None]


def zarr_format() -> Literal[2, 3]:
    """Return the format in which anndata writes zarr stores: a setting up to anndata 0.13, the third afterwards."""
    import anndata

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that the setting will go
        return getattr(anndata.settings, "zarr_write_format", 3)


def consolidate_zarr(group: Any) -> None:
    """Note all metadata of a zarr store in its root, as anndata does; zarr warns that format 3 has no rule for it."""
    import zarr

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Consolidated metadata", category=UserWarning)
        zarr.consolidate_metadata(group.store)
