"""Inferred correspondences: how they were inferred, and how good they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jamie.report.html.scores import Record
from jamie.report.tables import number


def inference_summaries(records: Sequence[Record]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return for each inferred correspondence its modalities, and the names and values of what is known of it."""
    return [
        (f"{record['source']} and {record['target']}", list(_details(record)))
        for record in records
        if record.get("quality") or (record.get("diagnostics") or {}).get("picked") != "nothing"
    ]


def _details(record: Record) -> Iterator[tuple[str, str]]:
    diagnostics, quality = record.get("diagnostics") or {}, record.get("quality") or {}
    if "picked" in diagnostics:
        reason = diagnostics.get("because")
        yield "Inferred by", diagnostics["picked"] + (f", because {reason}" if reason else "")
    if "optima" in diagnostics:
        yield "Optima compared", _optima(diagnostics)
    prefix = "checked_"
    checked = {name.removeprefix(prefix): value for name, value in diagnostics.items() if name.startswith(prefix)}
    yield from _quality(_evaluated_on(quality), quality, "mean_quantile", quality.get("n_pairs"))
    if "type_accuracy" in quality:
        text = f"{quality['type_accuracy']:.1%} of cells, {quality['type_chance']:.1%} by chance"
        yield "Best match has the cell's label", text
    name = "Checked on known pairs of training cells, hidden for this check"
    yield from _quality(name, checked, "quantile", checked.get("pairs"))
    better = quality.get("better_than_chance", diagnostics.get("better_than_chance"))
    if better is not None:
        yield "Better than chance", "yes" if better else "no"


def _optima(diagnostics: Mapping[str, Any]) -> str:
    """Say how the best of several ways to match the cells was found."""
    return (
        f"{diagnostics['candidates']}; energies of the best: {diagnostics['optima']}; weights: "
        f"{diagnostics['optima_weights']}; agreement {diagnostics['agreement']:.2f} (1 if all are one)"
    )


def _evaluated_on(quality: Mapping[str, Any]) -> str:
    """Say which true pairs an inferer was evaluated on."""
    if "held_out" not in quality:
        return "Evaluated on true pairs"
    if quality["held_out"]:
        return "Evaluated on held-out pairs, which no inferer was told"
    return "Evaluated on the pairs of training cells, which this inferer does not use"


def _quality(name: str, values: Mapping[str, Any], quantile: str, pairs: int | None) -> Iterator[tuple[str, str]]:
    if quantile not in values:
        return
    yield name, f"{pairs:,} pairs" if pairs else "yes"
    yield "Cells that match better than the true partner", f"{values[quantile]:.1%} (0% is best, 50% is chance)"
    if "top1" in values:
        text = f"{values['top1']:.1%} of cells, {number(100 * values['top1_chance'])}% by chance"
        yield "Best match is the true partner", text
