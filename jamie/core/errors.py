"""Every error that a user may meet. Each message says where, what was expected, what was found, and what to do."""

from __future__ import annotations

from typing import Any, ClassVar


class JamieError(Exception):
    """Base of all errors that jamie raises on purpose.

    Parameters
    ----------
    problem
        What was expected and what was found.
    where
        The place: a file, a spec key, a modality, a component.
    fix
        What to do about it.
    """

    code: ClassVar[str] = "error"

    def __init__(self, problem: str, *, where: str = "", fix: str = "") -> None:
        self.problem = problem
        self.where = where
        self.fix = fix
        head = f"{where}: {problem}" if where else problem
        super().__init__(f"{head}\n  {fix}" if fix else head)


class SpecError(JamieError):
    """A spec that cannot be read or does not describe a run; holds all problems at once.

    Parameters
    ----------
    problem, where, fix
        As of every error.
    problems
        Each problem with its place (`jamie.spec.problem.Problem`), in line order.
    """

    code = "spec"

    def __init__(self, problem: str, *, where: str = "", fix: str = "", problems: tuple[Any, ...] = ()) -> None:
        super().__init__(problem, where=where, fix=fix)
        self.problems = problems


class DataError(JamieError):
    """Data that do not fit what the spec or a component asks of them."""

    code = "data"


class PluginError(JamieError):
    """A plugin that cannot be imported or registered."""

    code = "plugin"


class ContractError(JamieError):
    """A component that breaks the contract of its kind."""

    code = "contract"


class MemoryLimitError(JamieError):
    """Work that would not fit in memory, refused before it starts."""

    code = "memory"


class TrainingError(JamieError):
    """Training that went wrong, such as a loss that is not finite."""

    code = "training"


class OutputError(JamieError):
    """A folder or file that cannot be written, or a run directory that cannot be read."""

    code = "output"
