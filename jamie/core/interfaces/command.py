"""Commands: ``jamie NAME`` of a third party."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

from jamie.core.component import Component
from jamie.core.context import Context

TAKEN = frozenset(  # names of jamie's own commands, which no component has
    [
        "run",
        "evaluate",
        "explain",
        "report",
        "bench",
        "validate",
        "list",
        "show",
        "plugins",
        "embed",
        "impute",
        "transfer",
        "compare",
        "simulate",
        "new",
        "schema",
    ]
)
OPTIONS = frozenset({"help", "json", "debug", "quiet", "plugin", "progress"})  # that every command has
Shown: TypeAlias = str | Path | Sequence[Mapping[str, Any]] | Sequence[Path] | None


class Command(Component):
    """A command: ``jamie NAME``.

    Its parameters are the arguments of the command line: one without a default is an argument, any other an option.
    Values are written as in a spec, and checked before `_run` is called. It returns what is shown: text, the rows of a
    table, the files that it wrote, or nothing. Names of jamie's own commands are taken.

    Examples
    --------
    >>> class Greet(Command):
    ...     '''Greet someone.
    ...
    ...     Parameters
    ...     ----------
    ...     who
    ...         Whom.
    ...     times
    ...         How often.
    ...     '''
    ...
    ...     name = "greet"
    ...
    ...     def __init__(self, *, who: str, times: int = 1):
    ...         self.who, self.times = who, times
    ...
    ...     def _run(self, context):
    ...         return self.times * f"Hello {self.who}. "
    >>> Greet(who="you", times=2).run(Context())
    'Hello you. Hello you. '
    """

    kind: ClassVar[str] = "command"

    def run(self, context: Context) -> Shown:
        """Do it.

        Parameters
        ----------
        context
            Randomness, progress and memory limit.

        Returns
        -------
        str, Path, list or None
            Text, files that were written, or rows of a table.

        Raises
        ------
        ContractError
            Where something else is returned.
        """
        found = self._run(context)
        if found is None or isinstance(found, str | Path):
            return found
        items = list(found) if isinstance(found, list | tuple) else [found]
        if all(isinstance(one, Path) for one in items) or all(isinstance(one, Mapping) for one in items):
            return items
        raise self._contract_error(
            f"expected _run to return text, files or rows, found {type(found).__name__}",
            "return a str, a Path, a list of Paths, or a list of mappings with the same keys",
        )

    @abstractmethod
    def _run(self, context: Context) -> Any: ...
