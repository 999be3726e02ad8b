"""Headline scores of a run for the page: tiles for the first glance, tables of all methods below."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from jamie.core.names import MODEL_NAME
from jamie.metrics.scopes import PREFERRED
from jamie.report.html.chance import chance_of
from jamie.report.html.files import Record, RunFiles
from jamie.report.html.guide import SCOPES, guide_of
from jamie.report.metric_tables import metric_tables
from jamie.report.tables import BEST, SCOPE_TITLES, ConsoleTable, number

NOT_FIRST = ("interval_coverage", "interval_width", "matching")  # read beside others, not by themselves
MOST_TILES = 4
NO_LIMIT = 10**6  # characters of a line: a page scrolls, so no table is divided


@dataclass(frozen=True)
class Line:
    """One number of a tile, and what stands beside it.

    Parameters
    ----------
    between
        Modalities, with an arrow where there is a direction.
    value
        Of the model.
    other, other_value
        The best of the methods that it is compared with, or chance; empty where there is neither.
    better
        Whether the model is better; None where that cannot be said.
    at_chance
        Whether it is no better than chance, as far as that is known.
    """

    between: str
    value: str
    other: str = ""
    other_value: str = ""
    better: bool | None = None
    at_chance: bool = False


@dataclass(frozen=True)
class Tile:
    """One metric at a glance.

    Parameters
    ----------
    title, reading
        As in the guide.
    arrow
        Which values are better.
    scope
        Cells, in words.
    lines
        One for each two modalities or direction.
    """

    title: str
    reading: str
    arrow: str
    scope: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class ScopeTables:
    """Tables of one scope."""

    title: str
    explanation: str
    blocks: tuple[ConsoleTable, ...]


def headlines(records: Iterable[Record]) -> list[Record]:
    """Return the headline values of metrics."""
    return [one for one in records if one["headline"] and not one["part"] and one["value"] is not None]


def main_scope(records: Sequence[Record], metric: str) -> str:
    """Return the most honest scope in which the model has a value of a metric; empty where it has none."""
    there = {one["scope"] for one in records if one["metric"] == metric and one["method"] == MODEL_NAME}
    return next((scope for scope in PREFERRED if scope in there), "")


def in_main_scope(records: Sequence[Record], metric: str) -> list[Record]:
    """Return the headline values of a metric in its main scope, of all methods."""
    scope = main_scope(records, metric)
    return [one for one in records if one["metric"] == metric and one["scope"] == scope]


def tiles(run: RunFiles, share: Callable[[Record], float | None] = lambda record: None) -> list[Tile]:
    """Return the most important scores, each beside the best other method.

    Parameters
    ----------
    run
        Files of the run.
    share
        Gives the share of the commonest label among the cells of a record, which is chance for label transfer.
    """
    records = headlines(run.metrics)
    metrics = dict.fromkeys(one["metric"] for one in records if one["method"] == MODEL_NAME)
    ordered = sorted(metrics, key=lambda metric: metric in NOT_FIRST)
    if not run.stopped_early:
        ordered = [metric for metric in ordered if metric not in NOT_FIRST]
    found = [_tile(in_main_scope(records, metric), run.methods_using_labels, share) for metric in ordered]
    return found[:MOST_TILES]


def _tile(records: Sequence[Record], told: set[str], share: Callable[[Record], float | None]) -> Tile:
    ours = [one for one in records if one["method"] == MODEL_NAME]
    directed = len({frozenset((one["source"], one["target"])) for one in ours}) < len(ours)
    first = ours[0]
    guide = guide_of(first["metric"])
    sizes = {one["n_cells"] for one in ours}
    counted = f" ({sizes.pop():,})" if len(sizes) == 1 else ""
    return Tile(
        title=guide.title,
        reading=guide.reading.partition(". ")[0].removesuffix("."),
        arrow="higher is better" if first["higher_is_better"] else "lower is better",
        scope=SCOPE_TITLES[first["scope"]] + counted,
        lines=tuple(_line(one, directed, best_other(one, records, told), share(one)) for one in ours),
    )


def _line(ours: Record, directed: bool, best: Record | None, share: float | None) -> Line:
    between = (" → " if directed else " and ").join((ours["source"], ours["target"]))
    chance, sign = chance_of(ours, share), 1 if ours["higher_is_better"] else -1
    at_chance = chance is not None and sign * ours["value"] <= sign * chance
    if best is not None:
        better = sign * ours["value"] >= sign * best["value"]
        return Line(between, number(ours["value"]), best["method"], number(best["value"]), better, at_chance)
    beside = ("", "") if chance is None else ("chance", number(chance))
    return Line(between, number(ours["value"]), *beside, at_chance=at_chance)


def best_other(ours: Record, records: Sequence[Record], told: set[str]) -> Record | None:
    """Return the best of the other methods at the same; those that use the labels do not compete."""
    others = [
        one
        for one in records
        if (one["source"], one["target"]) == (ours["source"], ours["target"])
        and one["method"] != MODEL_NAME
        and one["method"] not in told
    ]
    if not others:
        return None
    return (max if ours["higher_is_better"] else min)(others, key=lambda one: one["value"])


def score_tables(records: Sequence[Record]) -> list[ScopeTables]:
    """Lay out the headline values of all methods, a group of tables for each scope, the most honest first."""
    found = []
    for scope in dict.fromkeys((*PREFERRED, *(one["scope"] for one in records))):
        chosen = [one for one in records if one["scope"] == scope]
        blocks = metric_tables(chosen, width=NO_LIMIT)
        if blocks:
            explanation = SCOPES.get(scope, "")
            found.append(ScopeTables(SCOPE_TITLES.get(scope, scope), explanation, tuple(blocks)))
    return found


def marked(text: str) -> dict[str, str | bool]:
    """Split what stands in a table into its text and whether it is the best."""
    return {"text": text.removesuffix(BEST).replace("\n", ""), "best": text.endswith(BEST)}
