"""Reports, each of a small run whose files must stay as they are."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

from jamie.core.context import Context
from jamie.core.errors import OutputError
from jamie.core.interfaces import Report
from jamie.runs.file_names import MANIFEST
from jamie.testing.assertions import build, must_raise, require, require_is
from jamie.testing.toy_run import OPTIONAL, copied_run, hashes


def check_writes_into_the_run(component: type[Report]) -> None:
    """It returns files that are not empty, all of them in the run directory."""
    report = _report(component)
    require(report.names, component, "it writes something", expected="a file or more", found="none")
    for name in report.names:
        inside = name in report.after
        require(inside, component, "it writes into the run directory", expected="a file there", found=name)
        n_bytes = (report.folder / name).stat().st_size
        require(n_bytes, component, f"'{name}'", expected="a file with content", found="an empty one")


def check_leaves_the_run_alone(component: type[Report]) -> None:
    """No file of the run is changed or removed, and all new files are returned."""
    report = _report(component)
    changed = sorted(name for name, content in report.before.items() if report.after.get(name) != content)
    require(not changed, component, "the files of the run stay", expected="no change", found=", ".join(changed))
    stray, names = sorted(set(report.after) - set(report.before) - set(report.names)), ", ".join(report.names)
    require(not stray, component, "it returns all that it writes", expected=names, found=", ".join(stray))


def check_can_be_written_again(component: type[Report]) -> None:
    """Called again, it writes the same files."""
    report = _report(component)
    require_is(component, "called again, it writes the same files", _write(component, report.folder), report.names)


def check_works_without_optional_files(component: type[Report]) -> None:
    """It is written for a run without labels and without the files that not every run has."""
    try:
        _write(component, copied_run(labelled=False, whole=False))
    except Exception as error:
        clause, found = f"a run without labels, {', '.join(OPTIONAL)}", f"{type(error).__name__}: {error}"
        require(False, component, clause, expected="a report", found=found)


def check_refuses_other_folders(component: type[Report]) -> None:
    """Of a folder that holds no run it raises an `OutputError`."""
    with tempfile.TemporaryDirectory() as folder, must_raise(component, f"a folder without {MANIFEST}", OutputError):
        _write(component, Path(folder))


class _WrittenReport(NamedTuple):
    folder: Path  # a copy of a run
    names: tuple[str, ...]  # of the files that the component returned
    before: dict[str, str]  # hashes of all files by their names
    after: dict[str, str]


@cache
def _report(component: type[Report]) -> _WrittenReport:
    folder = copied_run()
    before = hashes(folder)
    names = _write(component, folder)
    return _WrittenReport(folder, names, before, hashes(folder))


def _write(component: type[Report], folder: Path) -> tuple[str, ...]:
    """Write the report; names of its files, relative to the folder if they are in it."""
    paths = build(component).write(folder, Context(seed=3))
    return tuple(str(path.relative_to(folder) if path.is_relative_to(folder) else path) for path in paths)
