"""Reports: pages or files that show a run."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from jamie.core.component import Component
from jamie.core.context import Context
from jamie.core.errors import ContractError


class Report(Component):
    """Turns the files of a run into something to look at."""

    kind: ClassVar[str] = "report"

    def write(self, run: Path, context: Context) -> tuple[Path, ...]:
        """Write into the directory of a run, all other files of which are there, and return what was written.

        Raises
        ------
        OutputError
            Where a file of the run is absent or cannot be read, or the place cannot be written.
        """
        written = tuple(self._write(run, context))
        absent = [path for path in written if not path.exists()]
        if absent:
            raise ContractError(
                f"expected the files that _write returns, found no {absent[0]}", where=f"report '{self.name}'"
            )
        return written

    @abstractmethod
    def _write(self, run: Path, context: Context) -> Iterable[Path]: ...
