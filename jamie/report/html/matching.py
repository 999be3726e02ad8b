"""How good inferred partners are, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jamie.report.html.files import Record, RunFiles
from jamie.report.html.summary import Fact
from jamie.report.tables import number


@dataclass(frozen=True)
class Matching:
    """What is known of one inferred correspondence."""

    title: str
    facts: tuple[Fact, ...]


def matchings(run: RunFiles) -> list[Matching]:
    """Return what is known of each inferred correspondence."""
    return [
        Matching(f"{one['source']} and {one['target']}", tuple(Fact(name, text) for name, text in _facts(one)))
        for one in run.correspondence
        if one.get("quality") or (one.get("diagnostics") or {}).get("picked") != "nothing"
    ]


def _facts(record: Record) -> Iterator[tuple[str, str]]:
    diagnostics, quality = record.get("diagnostics") or {}, record.get("quality") or {}
    if "picked" in diagnostics:
        because = diagnostics.get("because")
        yield "Inferred by", diagnostics["picked"] + (f", as {because}" if because else "")
    checked = {
        name.removeprefix("checked_"): value for name, value in diagnostics.items() if name.startswith("checked_")
    }
    yield from _judged("Checked on known pairs that were hidden", checked, "quantile", checked.get("pairs"))
    yield from _judged("Judged by true pairs", quality, "mean_quantile", quality.get("n_pairs"))
    if "type_accuracy" in quality:
        text = f"{quality['type_accuracy']:.1%} of cells, {quality['type_chance']:.1%} by chance"
        yield "Best match has the cell's label", text
    better = quality.get("better_than_chance", diagnostics.get("better_than_chance"))
    if better is not None:
        yield "Better than chance", "yes" if better else "no"


def _judged(what: str, values: Mapping[str, Any], quantile: str, pairs: int | None) -> Iterator[tuple[str, str]]:
    if quantile not in values:
        return
    yield what, f"{pairs:,} pairs" if pairs else "yes"
    yield "Cells that match better than the partner", f"{values[quantile]:.1%} (0% is best, 50% chance)"
    if "top1" in values:
        text = f"{values['top1']:.1%} of cells, {number(100 * values['top1_chance'])}% by chance"
        yield "Best match is the partner", text
