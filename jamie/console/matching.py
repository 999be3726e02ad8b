"""How good inferred correspondences are, beside chance, for the console."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jamie.report.tables import MATCHING, SCOPES, Block, arrow, comparison_table

CHANCE = "_chance"


def run_tables(records: Iterable[Mapping[str, Any]], methods: Iterable[Mapping[str, Any]] = ()) -> list[Block]:
    """Lay out the metrics of one run: those of its methods, then how good the inferred correspondences are."""
    records = list(records)
    return [*comparison_table((r for r in records if r["metric"] != MATCHING), methods), *matching_table(records)]


def matching_table(records: Iterable[Mapping[str, Any]]) -> list[Block]:
    """Lay out the metric `matching` with all its parts: a block for every two modalities and scope.

    Parameters
    ----------
    records
        Of one run, as in ``metrics.json``.
    """
    places: dict[str, dict[str, float]] = {}
    for record in records:
        if record["metric"] == MATCHING:
            place = f"{record['source']} and {record['target']}, inferred partners of {record['n_cells']} pairs"
            values = places.setdefault(f"{place} ({SCOPES[record['scope']]})", {})
            values.setdefault(record["part"] or "mass", record["value"])
    return [Block(place, list(_rows(values))) for place, values in places.items()]


def _rows(values: Mapping[str, float]) -> Iterable[dict[str, str]]:
    for part, value in values.items():
        if not part.endswith(CHANCE):
            chance = values.get(part + CHANCE)
            name = f"{part.replace('_', ' ')} {arrow(True, part)}"
            yield {"partner": name, "found": f"{value:.3f}", "chance": "" if chance is None else f"{chance:.3f}"}
