"""Guards against lost results: what cannot be written is found before training, and one failure costs no other file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from jamie.core.errors import JamieError, OutputError
from jamie.core.files import remove_path
from jamie.data.assemble import mudata_conventions
from jamie.data.writing.mudata_copies import writable_mudata
from jamie.runs.directory import OutputDirectory
from jamie.runs.file_names import RESOLVED_SPEC, WRITING_TEST

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


def to_writable(mdata: MuData, run: OutputDirectory) -> MuData:
    """Return the data in a form that can be written, after a test that writes everything except matrices.

    Raises
    ------
    OutputError
        If the test fails.
    """
    writable = writable_mudata(mdata)
    test_file = run.path / WRITING_TEST
    try:
        with mudata_conventions():
            _without_matrices(writable).write_h5mu(test_file)
    except Exception as error:  # anndata, h5py and the system raise all sorts
        raise OutputError(
            f"the annotations of the data cannot be written ({_one_line(error)}), so nothing was trained",
            where=str(run.path),
            fix="free the disk where it is full; else remove from the data what the message names",
        ) from error
    finally:
        remove_path(test_file)
    return writable


def _without_matrices(mdata: MuData) -> MuData:
    """Return the annotations alone: matrices are known to be writable."""
    from mudata import MuData

    bare = MuData({m: _anndata_without_matrices(adata) for m, adata in mdata.mod.items()})
    bare.obs, bare.var = mdata.obs, mdata.var
    bare.uns.update(mdata.uns)
    return bare


def _anndata_without_matrices(adata: AnnData) -> AnnData:
    from anndata import AnnData

    tables = {} if adata.raw is None else {"raw.var": adata.raw.var}
    obsm, varm = ({k: v for k, v in axis.items() if isinstance(v, pd.DataFrame)} for axis in (adata.obsm, adata.varm))
    return AnnData(obs=adata.obs, var=adata.var, uns={**adata.uns, **tables}, obsm=obsm, varm=varm)


class FileFailures:
    """Collects files that could not be written while the other files of a run are.

    Parameters
    ----------
    path
        The run directory.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._failed: dict[str, Exception] = {}

    @contextmanager
    def collect(self, name: str) -> Iterator[None]:
        """Write a file in this context; an error is kept until the others are written."""
        try:
            yield
        except Exception as error:  # whatever it is: the rest of the run must not be lost for it
            self._failed[name] = error

    def raise_any(self) -> None:
        """Raise an error if a file could not be written, with the command that writes it.

        Raises
        ------
        OutputError
            With the names of the files and the first error.
        """
        if not self._failed:
            return
        first = next(iter(self._failed.values()))
        raise OutputError(
            f"{', '.join(self._failed)} could not be written ({_one_line(first)}); the model and all other results "
            "are there, and nothing is trained again",
            where=str(self._path),
            fix="free the disk or mend what the message names, then: "
            f"jamie run {self._path / RESOLVED_SPEC} --out {self._path} --resume",
        ) from first


def _one_line(error: Exception) -> str:
    return " ".join((error.problem if isinstance(error, JamieError) else f"{type(error).__name__}: {error}").split())
