"""Sections of the page of a small run."""

from __future__ import annotations

import pandas as pd

from jamie.core.interfaces import Section
from jamie.runs.run import Run
from jamie.testing.assertions import build, require
from jamie.testing.toy_run import copied_run, hashes


def check_has_content_of_any_run(component: type[Section]) -> None:
    """It gives text and tables, perhaps none, with and without labels and the files that not every run has."""
    for case, labelled in (("a run with labels", True), ("a run without labels and optional files", False)):
        try:
            content = build(component).content(Run(copied_run(labelled=labelled, whole=labelled)))
        except Exception as error:
            found = f"{type(error).__name__}: {error}"
            require(False, component, case, expected="text and tables", found=found)
        empty = [one for one in content if isinstance(one, str) and not one.strip()]
        empty += ["a table without columns" for one in content if isinstance(one, pd.DataFrame) and one.shape[1] == 0]
        require(not empty, component, case, expected="paragraphs with text and tables with columns", found=empty)


def check_leaves_the_run_alone(component: type[Section]) -> None:
    """No file of the run is written, changed or removed."""
    folder = copied_run()
    before = hashes(folder)
    build(component).content(Run(folder))
    after = hashes(folder)
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    require(not changed, component, "the files of the run stay", expected="no change", found=", ".join(changed))
