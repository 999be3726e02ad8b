"""Every exception that jamie raises on purpose, and the exit codes of its command line.

All are a `JamieError`, with the attributes `problem` (what was expected, what was found), `where` and `fix`. With
``--json`` the command line prints their `code`:

====================== =========== ==================================================================
Exception              code        raised where
====================== =========== ==================================================================
`SpecError`            ``spec``      a spec, an option or a setting is wrong; `problems` lists each one
`DataError`            ``data``      data do not meet the requirements of the spec or of a component
`MissingResultError`   ``data``      a figure (`jamie.pl`) is asked for results that are absent
`PluginError`          ``plugin``    a plugin cannot be imported or registered
`ContractError`        ``contract``  a component breaks the contract of its kind
`MemoryLimitError`     ``memory``    work would not fit in memory; raised before it starts
`TrainingError`        ``training``  training failed, such as by a loss that is not finite
`OutputError`          ``output``    a file cannot be written, or a run directory cannot be read
====================== =========== ==================================================================

The command line exits with a code of `ExitCode`: 0 for success, 2 for a `JamieError` (its message goes to standard
error), 1 for any other exception (``unexpected`` in JSON; ``--debug`` shows the traceback), 3 with ``--strict`` if a
run has its result and lacks a report, a figure or an explanation, 130 after Ctrl-C, 143 after SIGTERM and 129 after
SIGHUP (all ``interrupted``).
"""

from jamie.core.errors import (
    ContractError,
    DataError,
    ExitCode,
    JamieError,
    MemoryLimitError,
    MissingResultError,
    OutputError,
    PluginError,
    SpecError,
    TrainingError,
)

__all__ = [
    "ContractError",
    "DataError",
    "ExitCode",
    "JamieError",
    "MemoryLimitError",
    "MissingResultError",
    "OutputError",
    "PluginError",
    "SpecError",
    "TrainingError",
]
