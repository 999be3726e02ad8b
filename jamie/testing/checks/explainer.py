"""Explainers, on a linear model of cells whose labels, pairs and sizes are known."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from jamie.core.context import Context
from jamie.core.explanation import Explanation
from jamie.core.interfaces import Explainer
from jamie.runs.directory import OutputDirectory
from jamie.runs.explanation_files import load_explanations, save_explanation
from jamie.testing.assertions import build, may_refuse, require, require_equal, require_finite, require_is, unmodified
from jamie.testing.toy_subject import ToySubject


def check_names_what_is_explained(component: type[Explainer]) -> None:
    """It gives its own name, a title in one line, and a table that is not empty."""
    explanation = _explanation(component)
    require_is(component, "`explainer`", explanation.explainer, component.name)
    one_line = bool(explanation.title.strip()) and "\n" not in explanation.title
    require(one_line, component, "`title`", expected="a line of text", found=repr(explanation.title))
    sizes = {name: len(table) for name, table in explanation.tables.items()}
    require(any(sizes.values()), component, "`tables`", expected="at least one with rows", found=sizes or "none")


def check_settings_are_plain(component: type[Explainer]) -> None:
    """`settings` are text, numbers, lists and mappings, as JSON has them."""
    settings = dict(_explanation(component).settings)
    try:
        read = json.loads(json.dumps(settings))
    except TypeError as error:
        read = error
    require_is(component, "`settings` are plain values", read, settings)


def check_can_be_saved(component: type[Explainer]) -> None:
    """Written into a run directory and read again, it is the same."""
    explanation = _explanation(component)
    with tempfile.TemporaryDirectory() as folder:
        save_explanation(OutputDirectory(Path(folder)), explanation)
        (read,) = load_explanations(Path(folder)).values()
    require_equal(component, "saved and read again, it is the same", _numbers(read), _numbers(explanation))


def check_numbers_are_finite(component: type[Explainer]) -> None:
    """No value is infinite; tables may have NaN, and values of single cells are finite."""
    explanation = _explanation(component)
    for name, table in explanation.tables.items():
        for column, values in table.select_dtypes("number").items():
            n_infinite = int(np.isinf(values.to_numpy(float)).sum())
            clause = f"column '{column}' of table '{name}'"
            require(not n_infinite, component, clause, expected="finite values or NaN", found=f"{n_infinite} infinite")
    require_finite(component, "values.X", _numbers(explanation)["values"])


def check_same_seed_same_result(component: type[Explainer]) -> None:
    """The seed of the context decides all randomness."""
    first, second = (_numbers(_explain(component, ToySubject())) for _ in range(2))
    require_equal(component, "the same seed gives the same result", second, first)


def check_works_without_labels_and_pairs_or_refuses(component: type[Explainer]) -> None:
    """Without labels, without pairs, and with three modalities it works, or raises a `DataError` that says a fix."""
    subjects = {
        "without labels": ToySubject(labels=False),
        "without pairs": ToySubject(known=False),
        "with three modalities": ToySubject(3),
    }
    for case, subject in subjects.items():
        with may_refuse(component, case):
            _explain(component, subject)


def check_missing_values_do_not_spread(component: type[Explainer]) -> None:
    """For cells with missing values it gives numbers too, or raises a `DataError` that says a fix."""
    with may_refuse(component, "with missing values"):
        tables = _explain(component, ToySubject(missing=True)).tables
        for name, table in _explanation(component).tables.items():
            for column in table.select_dtypes("number").dropna(axis=1, how="all").columns:
                has_numbers = column in tables.get(name, ()) and tables[name][column].notna().any()
                clause = f"column '{column}' of table '{name}' for cells with missing values"
                require(has_numbers, component, clause, expected="numbers", found="NaN alone")


def check_progress_ends_at_its_total(component: type[Explainer]) -> None:
    """The progress that it reports never exceeds the total, and ends there."""
    reported: dict[str, list[tuple[int, int]]] = {}

    def progress(stage: str, done: int, total: int, values: Mapping[str, float]) -> None:
        reported.setdefault(stage, []).append((done, total))

    build(component).explain(ToySubject(), Context(seed=3, progress=progress))
    for stage, steps in reported.items():
        complete = all(done <= total for done, total in steps) and steps[-1][0] == steps[-1][1]
        require(complete, component, f"progress of '{stage}'", expected="up to its total", found=steps[-3:])


def check_leaves_inputs_alone(component: type[Explainer]) -> None:
    """Cells and annotations are not modified."""
    subject = ToySubject()
    with unmodified(component, dataset=subject.dataset):
        _explain(component, subject)


def _explain(component: type[Explainer], subject: ToySubject) -> Explanation:
    return build(component).explain(subject, Context(seed=3))


@lru_cache(maxsize=4)
def _explanation(component: type[Explainer]) -> Explanation:
    return _explain(component, ToySubject())


def _numbers(explanation: Explanation) -> dict[str, Any]:
    """Tables, and values of single cells if there are any."""
    tables = {name: table.reset_index(drop=True) for name, table in explanation.tables.items()}
    return {"tables": tables, "values": None if explanation.values is None else explanation.values.X}
