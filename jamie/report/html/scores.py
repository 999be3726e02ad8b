"""Scores of the page: headline values of metrics, and tables of all methods."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jamie.metrics.scopes import PREFERRED
from jamie.report.html.guide import SCOPES
from jamie.report.metric_tables import metric_tables
from jamie.report.tables import BEST, SCOPE_TITLES

Record = Mapping[str, Any]

NO_LIMIT = 10**6  # characters of a line: a page scrolls, so no table is divided


def headlines(records: Iterable[Record]) -> list[Record]:
    """Return the headline values of metrics."""
    return [record for record in records if record["headline"] and not record["part"] and record["value"] is not None]


def main_scope_records(records: Sequence[Record], metric: str, model: str) -> list[Record]:
    """Return the headline values of a metric, of all methods, in the preferred scope that the model is scored in."""
    scopes = {record["scope"] for record in records if record["metric"] == metric and record["method"] == model}
    scope = next((scope for scope in PREFERRED if scope in scopes), "")
    return [record for record in records if record["metric"] == metric and record["scope"] == scope]


def model_records(records: Sequence[Record], metric: str, model: str) -> list[Record]:
    """Return the scores of the model by a metric, in its main scope."""
    return [record for record in main_scope_records(records, metric, model) if record["method"] == model]


def best_record(records: Iterable[Record], own: Record) -> Record | None:
    """Return the best score in the direction of another score; None if there is none."""
    sign = 1 if own["higher_is_better"] else -1
    rivals = [record for record in records if direction(record) == direction(own)]
    return max(rivals, key=lambda record: sign * record["value"], default=None)


def direction(record: Record) -> tuple[str, str]:
    """Return source and target of a score."""
    return record["source"], record["target"]


def score_tables(records: Sequence[Record]) -> list[dict[str, Any]]:
    """Lay out the headline values of all methods: title, explanation and tables of each scope, held-out cells first."""
    groups = []
    for scope in dict.fromkeys((*PREFERRED, *(record["scope"] for record in records))):
        tables = metric_tables([record for record in records if record["scope"] == scope], width=NO_LIMIT)
        if tables:
            title, explanation = SCOPE_TITLES.get(scope, scope), SCOPES.get(scope, "")
            groups.append({"title": title, "explanation": explanation, "tables": tables})
    return groups


def split_mark(text: str) -> dict[str, str | bool]:
    """Split the text of a cell of a table from the mark of the best value."""
    return {"text": text.removesuffix(BEST).replace("\n", ""), "best": text.endswith(BEST)}
