"""What the files of a run hold: damaged ones are found when they are read, not by what then breaks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from textwrap import shorten
from typing import Annotated, Any, NotRequired

import pandas as pd
from pydantic import AfterValidator, ConfigDict, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from jamie.runs.file_names import (
    FEATURES,
    HISTORY,
    INFERENCE,
    MANIFEST,
    METHODS,
    METRIC_RECORDS,
    METRICS,
    PAIRING,
    POSTERIOR,
    STACK,
    WINS,
)

Number = float | None  # null is what is not finite
_CHECKED = "checked_"  # begins the names of diagnostics that are numbers
_STRICT = ConfigDict(strict=True)


def _date(text: str) -> str:
    datetime.fromisoformat(text)
    return text


def _diagnostics(values: dict[str, Any]) -> dict[str, Any]:
    for name, value in values.items():
        is_number = value is None or isinstance(value, int | float)
        if (name.startswith(_CHECKED) or name == "agreement") and not is_number:
            raise ValueError(f"'{name}' is no number")
        if name in ("picked", "because") and not isinstance(value, str | None):
            raise ValueError(f"'{name}' is no text")
    return values


@with_config(_STRICT)
class _Usage(TypedDict, total=False):
    seconds: Number
    peak_memory_mib: Number


@with_config(_STRICT)
class _Share(TypedDict):
    kept: int
    of: int


@with_config(_STRICT)
class _Manifest(TypedDict, total=False):
    status: str
    started: Annotated[str, AfterValidator(_date)]
    stages: dict[str, _Usage]
    versions: dict[str, str]
    data: dict[str, str] | None
    components: dict[str, _Share] | None
    peak_memory_mib: Number
    name: str | None
    model: str | None
    seed: int
    device: str
    until: str | None
    left_out: list[str]


@with_config(_STRICT)
class _Metric(TypedDict):
    metric: str
    part: str
    value: Number
    scope: str
    method: str
    source: str
    target: str
    label: str
    n_cells: int
    higher_is_better: bool
    headline: bool
    parameters: dict[str, Any]


@with_config(_STRICT)
class _Method(TypedDict):
    method: str
    component: str
    status: str
    reason: str
    inductive: bool
    uses_labels: bool
    embeds: bool
    imputes: bool
    preparation: NotRequired[_Usage | None]
    training: NotRequired[_Usage | None]


@with_config(_STRICT)
class _Pair(TypedDict):
    a: str
    b: str
    shared_a: int
    known_a: int


@with_config(_STRICT)
class _Verdict(TypedDict, total=False):
    a: str
    b: str
    group: str
    pairs: int
    verdict: str


@with_config(_STRICT)
class _Pairing(TypedDict):
    cells: dict[str, int]
    alone: dict[str, int]
    pairs: NotRequired[list[_Pair]]
    verified: NotRequired[list[_Verdict]]


@with_config(_STRICT)
class _Quality(TypedDict, total=False):
    n_pairs: int
    held_out: bool | None
    mean_quantile: Number
    quantile_error: Number
    quantile_curve: list[Number] | None
    top1: Number
    top1_chance: Number
    mass: Number
    mass_chance: Number
    type_accuracy: Number
    type_chance: Number
    better_than_chance: bool | None


@with_config(_STRICT)
class _Inferred(TypedDict):
    source: str
    target: str
    diagnostics: Annotated[dict[str, Any], AfterValidator(_diagnostics)] | None
    quality: _Quality | None


@with_config(_STRICT)
class _Regressions(TypedDict, total=False):
    weights: dict[str, Number]
    members: dict[str, dict[str, Any]]


@with_config(_STRICT)
class _Stack(TypedDict):
    source: str
    target: str
    weight: NotRequired[Number]
    correlation_by_weight: NotRequired[dict[str, Number]]
    regressions: NotRequired[_Regressions]
    sources: NotRequired[dict[str, Number]]


_SHAPES: Mapping[str, Any] = {
    MANIFEST: _Manifest,
    METRIC_RECORDS: list[_Metric],
    METHODS: list[_Method],
    PAIRING: _Pairing,
    POSTERIOR: dict[str, dict[str, list[Number]]],
    INFERENCE: list[_Inferred],
    STACK: list[_Stack],
}
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    METRICS: ("metric", "part", "value", "scope", "method", "source", "target"),
    FEATURES: ("method", "source", "target", "feature"),
    WINS: ("metric", "method_a", "method_b"),
    HISTORY: ("member", "epoch", "total"),
}


def require_shape(name: str, value: Any) -> None:
    """Refuse values of a JSON file of a run that are not of the kinds that are written.

    Raises
    ------
    ValueError
        Naming the first.
    """
    try:
        _adapter(name).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "all"
        found = shorten(repr(first["input"]), 60, placeholder=" ...")
        raise ValueError(f"{place}: {first['msg'].lower()}, found {found}") from None


def require_columns(name: str, table: pd.DataFrame, text: tuple[str, ...]) -> None:
    """Refuse a table of a run that lacks columns, or holds text where numbers are written.

    Parameters
    ----------
    name
        Of its file.
    table
        What was read.
    text
        The columns that hold text in tables of runs.

    Raises
    ------
    ValueError
        Naming the first.
    """
    if table.empty:
        return
    absent = [column for column in _COLUMNS[name] if column not in table]
    if absent:
        raise ValueError(f"it has no column '{absent[0]}'")
    for column in table.columns.difference([*text]):
        values = table[column].dropna()
        if values.dtype.kind not in "biuf" and not values.map(lambda value: isinstance(value, bool)).all():
            raise ValueError(f"column '{column}' holds text in place of numbers")


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(_SHAPES[name])
