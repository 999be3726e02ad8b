"""Explainers, on a linear model of cells whose labels, pairs and sizes are known."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jamie.core.context import Context
from jamie.core.errors import DataError
from jamie.core.explanation import Explanation
from jamie.core.interfaces import Explainer
from jamie.runs.directory import OutputDirectory
from jamie.runs.explanation_files import load_explanations, save_explanation
from jamie.testing import toy
from jamie.testing.clause import build, require, require_equal, require_finite, unmodified
from jamie.testing.toy_subject import ToySubject


def check_says_what_was_explained(component: type[Explainer]) -> None:
    """It gives its own name, a title in one line, and a table that is not empty."""
    found = _explained(component)
    require(found.explainer == component.name, component, "`explainer`", expected=component.name, found=found.explainer)
    one_line = bool(found.title.strip()) and "\n" not in found.title
    require(one_line, component, "`title`", expected="a line of text", found=repr(found.title))
    sizes = {name: len(table) for name, table in found.tables.items()}
    require(any(sizes.values()), component, "`tables`", expected="at least one with rows", found=sizes or "none")


def check_settings_are_plain(component: type[Explainer]) -> None:
    """`settings` are text, numbers, lists and mappings, as JSON has them."""
    settings = dict(_explained(component).settings)
    try:
        read = json.loads(json.dumps(settings))
    except TypeError as error:
        read = error
    require(read == settings, component, "`settings` are plain values", expected=settings, found=read)


def check_can_be_saved(component: type[Explainer]) -> None:
    """Written into a run directory and read again, it is the same."""
    found = _explained(component)
    with tempfile.TemporaryDirectory() as place:
        save_explanation(OutputDirectory(Path(place)), found)
        (read,) = load_explanations(Path(place)).values()
    clause = "saved and read again"
    require(
        set(read.tables) == set(found.tables), component, clause, expected=set(found.tables), found=set(read.tables)
    )
    for name, table in found.tables.items():
        columns = list(map(str, table.columns))
        require(
            list(read.tables[name].columns) == columns, component, clause, expected=columns, found=read.tables[name]
        )
        for column in table.columns:
            where = f"column '{column}' of table '{name}', {clause}"
            require_equal(component, where, *(_comparable(one[column]) for one in (read.tables[name], table)))
    if found.values is not None and read.values is not None:
        require_equal(component, f"values, {clause}", read.values.X, found.values.X)


def check_numbers_are_finite(component: type[Explainer]) -> None:
    """No value is infinite; NaN stands in tables where there is none, and values of single cells are finite."""
    found = _explained(component)
    for name, table in found.tables.items():
        for column, values in table.select_dtypes("number").items():
            n_infinite = int(np.isinf(values.to_numpy(float)).sum())
            clause = f"column '{column}' of table '{name}'"
            require(not n_infinite, component, clause, expected="finite values or NaN", found=f"{n_infinite} infinite")
    if found.values is not None:
        require_finite(component, "values.X", found.values.X)


def check_same_seed_same_result(component: type[Explainer]) -> None:
    """The seed of the context decides all randomness."""
    first, second = (build(component).explain(ToySubject(), Context(seed=3)) for _ in range(2))
    for name, table in first.tables.items():
        for column in table.columns:
            clause = f"the same seed gives the same column '{column}' of table '{name}'"
            require_equal(component, clause, *(_comparable(one.tables[name][column]) for one in (second, first)))
    if first.values is not None and second.values is not None:
        require_equal(component, "the same seed gives the same values", second.values.X, first.values.X)


def check_does_without_or_says_so(component: type[Explainer]) -> None:
    """Without labels, without pairs, and with three modalities it works, or raises a `DataError` that says a fix."""
    for what, subject in _others():
        try:
            build(component).explain(subject, Context(seed=3))
        except DataError as error:
            clause = f"{what}: the error says what to do"
            require(bool(error.fix), component, clause, expected="DataError(..., fix=...)", found=error)
        except Exception as error:
            found = f"{type(error).__name__}: {error}"
            require(False, component, f"{what}", expected="an explanation or a DataError", found=found)


def check_missing_values_do_not_spread(component: type[Explainer]) -> None:
    """Of cells with missing values it finds numbers too, or raises a `DataError` that says a fix."""
    try:
        found = build(component).explain(ToySubject(missing=True), Context(seed=3))
    except DataError as error:
        clause = "with missing values: the error says what to do"
        require(bool(error.fix), component, clause, expected="DataError(..., fix=...)", found=error)
        return
    whole = _explained(component)
    for name, table in whole.tables.items():
        for column in table.select_dtypes("number").columns[table.select_dtypes("number").notna().any()]:
            some = column in found.tables.get(name, ()) and found.tables[name][column].notna().any()
            clause = f"column '{column}' of table '{name}' for cells with missing values"
            require(some, component, clause, expected="numbers", found="NaN alone")


def check_progress_ends_at_its_total(component: type[Explainer]) -> None:
    """What it reports of its progress never exceeds the total, and ends there."""
    told: dict[str, list[tuple[int, int]]] = {}

    def progress(stage: str, done: int, total: int, values: Mapping[str, float]) -> None:
        told.setdefault(stage, []).append((done, total))

    build(component).explain(ToySubject(), Context(seed=3, progress=progress))
    for stage, steps in told.items():
        sound = all(done <= total for done, total in steps) and steps[-1][0] == steps[-1][1]
        require(sound, component, f"progress of '{stage}'", expected="up to its total", found=steps[-3:])


def check_leaves_inputs_alone(component: type[Explainer]) -> None:
    """Cells and annotations are not modified."""
    subject = ToySubject()
    data = subject.dataset.modalities
    given: dict[str, Any] = {f"matrix of {m}": one.input.X for m, one in data.items()}
    given |= {f"labels of {m}": one.labels(toy.LABEL) for m, one in data.items()}
    columns = {m: list(one.obs.columns) for m, one in data.items()}
    with unmodified(component, known=subject.dataset.known.between("rna", "atac").matrix, **given):
        build(component).explain(subject, Context(seed=3))
    found = {m: list(one.obs.columns) for m, one in data.items()}
    require(found == columns, component, "inputs are never modified (obs)", expected=columns, found=found)


@lru_cache(maxsize=4)
def _explained(component: type[Explainer]) -> Explanation:
    return build(component).explain(ToySubject(), Context(seed=3))


def _others() -> Iterator[tuple[str, ToySubject]]:
    yield "without labels", ToySubject(labels=False)
    yield "without pairs", ToySubject(known=False)
    yield "with three modalities", ToySubject(3)


def _comparable(values: pd.Series) -> np.ndarray:
    """Numbers as they are; of all else its text, which is empty where there is none."""
    if values.dtype.kind != "O":
        return values.to_numpy()
    return values.astype(object).where(values.notna(), "").astype(str).to_numpy(str)
