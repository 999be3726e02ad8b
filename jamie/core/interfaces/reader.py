"""Readers: anything -> MuData."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from jamie.core.component import Component
from jamie.core.context import Context
from jamie.core.errors import ContractError

if TYPE_CHECKING:
    from mudata import MuData


class Reader(Component):
    """Brings cells in. Parameters annotated as `pathlib.Path` are looked up beside the spec, then in $JAMIE_DATA."""

    kind: ClassVar[str] = "reader"

    def read(self, context: Context | None = None) -> MuData:
        """Read every modality.

        Returns
        -------
        MuData
            Cells are rows; a cell measured in several modalities has the same name in each.

        Raises
        ------
        DataError
            Where a file is absent, empty or of another format.
        """
        from mudata import MuData

        mdata = self._read(context or Context(stage="data"))
        if not isinstance(mdata, MuData) or not mdata.mod:
            raise ContractError(
                f"expected _read to return a MuData with at least one modality, found {type(mdata).__name__}",
                where=f"reader '{self.name}'",
                fix="return mudata.MuData({name: AnnData, ...})",
            )
        return mdata

    @abstractmethod
    def _read(self, context: Context) -> MuData: ...

    def sources(self) -> tuple[Path, ...]:
        """Files that the data come from, to be hashed into the manifest; none for a simulator."""
        values = [v for one in vars(self).values() for v in (one.values() if isinstance(one, dict) else (one,))]
        return tuple(v for v in values if isinstance(v, Path))
