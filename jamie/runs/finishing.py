"""Writing what a run gives: proved before training that it can be, and after it nothing takes the rest with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pandas as pd

from jamie.core.errors import JamieError, OutputError
from jamie.core.files import remove_path
from jamie.data.assemble import mudata_conventions
from jamie.runs.directory import RESOLVED, RunFolder
from jamie.runs.mudata_copies import writable_mudata

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

TRIAL = ".trial.h5mu"


def proved_writable(mdata: MuData, folder: RunFolder) -> MuData:
    """Return the data in a form that can be written, which is proved by writing all but their matrices.

    Raises
    ------
    OutputError
        Where the place of the run cannot take it.
    """
    writable = writable_mudata(mdata)
    trial = folder.path / TRIAL
    try:
        with mudata_conventions():
            _annotations(writable).write_h5mu(trial)
    except Exception as error:  # anndata, h5py and the system raise all sorts
        raise OutputError(
            f"the annotations of the data cannot be written ({_told(error)}), so nothing was trained",
            where=str(folder.path),
            fix="free the disk where it is full; else remove from the data what the message names",
        ) from error
    finally:
        remove_path(trial)
    return writable


def _annotations(mdata: MuData) -> MuData:
    """Return the same without matrices, of which it is known that they can be written."""
    from mudata import MuData

    bare = MuData({m: _annotations_of(adata) for m, adata in mdata.mod.items()})
    bare.obs, bare.var = mdata.obs, mdata.var
    bare.uns.update(mdata.uns)
    return bare


def _annotations_of(adata: AnnData) -> AnnData:
    from anndata import AnnData

    tables = {} if adata.raw is None else {"raw.var": adata.raw.var}
    obsm, varm = ({k: v for k, v in axis.items() if isinstance(v, pd.DataFrame)} for axis in (adata.obsm, adata.varm))
    return AnnData(obs=adata.obs, var=adata.var, uns={**adata.uns, **tables}, obsm=obsm, varm=varm)


class Finishing:
    """The last files of a run, of which one that cannot be written does not cost the others.

    Parameters
    ----------
    folder
        The run directory.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self._failed: dict[str, Exception] = {}

    @contextmanager
    def trying(self, name: str) -> Iterator[None]:
        """Do what a file needs; an error is kept until the others are written."""
        try:
            yield
        except Exception as error:  # whatever it is: the rest of the run must not be lost for it
            self._failed[name] = error

    def require_all(self) -> None:
        """Refuse to end where a file is missing, and say with which command it is made.

        Raises
        ------
        OutputError
            With the names of the files, and the error of the first.
        """
        if not self._failed:
            return
        place = self.folder.path
        first = next(iter(self._failed.values()))
        raise OutputError(
            f"{', '.join(self._failed)} could not be written ({_told(first)}); the model and all that else was found "
            "are there, and nothing is trained again",
            where=str(place),
            fix=f"free the disk or mend what the message names, then: jamie run {place / RESOLVED} --out {place} "
            "--resume",
        ) from first


def _told(error: Exception) -> str:
    return " ".join((error.problem if isinstance(error, JamieError) else f"{type(error).__name__}: {error}").split())
