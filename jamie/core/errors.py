"""Every error that a user may meet. Each message says where, what was expected, what was found, and what to do."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, ClassVar

MOST_BYTES = 4000  # of a message
_PARTS = {"where": 600, "problem": 2400, "fix": 900}  # of a message that is longer


class ExitCode(IntEnum):
    """Exit codes of the command `jamie`; 0 is success.

    Examples
    --------
    >>> int(ExitCode.USER_ERROR)
    2
    """

    UNEXPECTED = 1  # a fault of jamie or of a plugin
    USER_ERROR = 2  # a `JamieError`; also a run of a sweep that failed, and options that typer refuses
    INCOMPLETE = 3  # with ``--strict``: a run has its result, and lacks a report, a figure or an explanation
    HUNG_UP = 129  # SIGHUP, as from a terminal that is closed
    INTERRUPTED = 130  # Ctrl-C (SIGINT)
    TERMINATED = 143  # SIGTERM, as from a scheduler or `docker stop`


def shorten(text: str, most: int) -> str:
    """Return a text of at most `most` bytes in UTF-8, its middle left out where it is longer.

    Examples
    --------
    >>> shorten("a" * 5000, 40)
    'aaaaaaaaaaaaaaa [...] aaaaaaaaaaaaaaa'
    """
    content = text.encode(errors="backslashreplace")
    if len(content) <= most:
        return text
    half = (most - 10) // 2
    return f"{content[:half].decode(errors='ignore')} [...] {content[-half:].decode(errors='ignore')}"


class Termination(KeyboardInterrupt):
    """The system asks the process to end.

    Parameters
    ----------
    signal
        Its name, such as SIGTERM.

    Examples
    --------
    >>> Termination("SIGTERM").signal
    'SIGTERM'
    """

    def __init__(self, signal: str) -> None:
        self.signal = signal
        super().__init__(signal)


class JamieError(Exception):
    """Base of all errors that jamie raises on purpose; its message is at most 4 kB long.

    Parameters
    ----------
    problem
        What was expected and what was found.
    where
        A file, a spec key, a modality or a component.
    fix
        What to do about it.

    Examples
    --------
    >>> print(JamieError("expected 3 cells, found 2", where="modality 'rna'", fix="add a cell"))
    modality 'rna': expected 3 cells, found 2
      add a cell
    """

    code: ClassVar[str] = "error"

    def __init__(self, problem: str, *, where: str = "", fix: str = "") -> None:
        if len(f"{where}{problem}{fix}".encode(errors="backslashreplace")) > MOST_BYTES:
            where, problem, fix = (
                shorten(text, _PARTS[part]) for part, text in (("where", where), ("problem", problem), ("fix", fix))
            )
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
        As of every `JamieError`.
    problems
        Each problem with its location (`jamie.spec.problem.SpecProblem`), in line order.

    Examples
    --------
    >>> from jamie.spec import load_spec
    >>> try:
    ...     load_spec({"data": "simulate_branch", "training": {"max_epoch": 5}})
    ... except SpecError as error:
    ...     print(error.problems[0].key, "-", error.problems[0].message)
    training.max_epoch - unknown key 'max_epoch'
    """

    code = "spec"

    def __init__(self, problem: str, *, where: str = "", fix: str = "", problems: tuple[Any, ...] = ()) -> None:
        super().__init__(problem, where=where, fix=fix)
        self.problems = problems


class DataError(JamieError):
    """Data that do not meet the requirements of the spec or of a component."""

    code = "data"


class MissingResultError(DataError):
    """Results that a figure would show and that are absent, such as a metric that was not computed."""


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
    """Training that failed, such as a loss that is not finite."""

    code = "training"


class OutputError(JamieError):
    """A folder or file that cannot be written, or a run directory that cannot be read."""

    code = "output"
