"""What to know before believing a number, in plain words: what the run warned of, and what its files show."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from jamie.core.names import HELD_OUT_CELLS, HELD_OUT_PAIRS, MODEL_NAME
from jamie.report.html.files import Record, RunFiles
from jamie.report.html.guide import guide_of
from jamie.report.html.scores import headlines, in_main_scope
from jamie.report.tables import number

FEW_CELLS, FEW_SCORED = 200, 50
NEAR_CHANCE = 0.4  # FOSCTTM from which cells of two modalities are hardly nearer to their partners than to others
COVERAGE_OFF = 0.03
CLEARLY = 0.01  # a smaller difference of scores is no reason to speak of it
COLLAPSED = 0.01  # nats; a latent that differs less from its prior carries nothing
HARDLY_IMPUTED = 0.1  # correlation


@dataclass(frozen=True)
class Caution:
    """One warning.

    Parameters
    ----------
    text
        The finding, one sentence.
    detail
        What follows from it, or what can be done.
    serious
        Whether it calls results into question.
    """

    text: str
    detail: str = ""
    serious: bool = False


def cautions(run: RunFiles, imputability: Mapping[tuple[str, str], pd.Series]) -> list[Caution]:
    """Return all warnings, the serious ones first.

    Parameters
    ----------
    run
        Files of the run.
    imputability
        (p_t,) correlation of imputed and measured values by (source, target), where the run has estimated it.
    """
    found = [one for look in _LOOKS for one in look(run)]
    found += _imputability(imputability)
    found += [Caution(message) for message in run.warnings if not _said_already(run, message)]
    return sorted(found, key=lambda one: not one.serious)


def _said_already(run: RunFiles, message: str) -> bool:
    left_out = tuple(f"{one['method']} is left out" for one in run.methods if one["status"] != "done")
    earlier_pages = "report '"  # that one failed does not matter where this is read
    return "NO BETTER THAN CHANCE" in message or message.startswith((earlier_pages, *left_out))


def _unfinished(run: RunFiles) -> Iterator[Caution]:
    status = run.manifest.get("status")
    if status in ("failed", "interrupted"):
        yield Caution(f"The run has not finished: it {'was ' * (status == 'interrupted')}{status}.", serious=True)


def _matching_at_chance(run: RunFiles) -> Iterator[Caution]:
    for one in run.correspondence:
        judged = [one.get("quality") or {}, one.get("diagnostics") or {}]
        if any(found.get("better_than_chance") is False for found in judged):
            yield Caution(
                f"The inferred correspondence of {one['source']} and {one['target']} is no better than chance.",
                "Partners that it gives cells are as good as drawn at random. Name pairs that are known, links between "
                "features, or another way to infer.",
                serious=True,
            )


def _not_aligned(run: RunFiles) -> Iterator[Caution]:
    for one in _ours(run, "foscttm"):
        if one["value"] >= NEAR_CHANCE:
            yield Caution(
                f"{one['source']} and {one['target']} are hardly aligned: FOSCTTM is {number(one['value'])}, "
                "and 0.5 is chance.",
                "Neighbours in the latent space are then no evidence that cells are alike.",
                serious=True,
            )


def _beaten(run: RunFiles) -> Iterator[Caution]:
    """Where another method imputes or aligns better, whether it uses the labels or not."""
    records = headlines(run.metrics)
    for metric in dict.fromkeys(one["metric"] for one in records if not one["metric"].startswith("interval_")):
        lost: dict[str, list[str]] = {}
        for ours in _ours(run, metric):
            sign = 1 if ours["higher_is_better"] else -1
            others = [one for one in in_main_scope(records, metric) if _ends(one) == _ends(ours)]
            best = max(others, key=lambda one: sign * one["value"])
            if sign * (best["value"] - ours["value"]) > CLEARLY:
                between = (" → " if ours["n_features"] else " and ").join(_ends(ours))
                values = f"{number(best['value'])} against {number(ours['value'])}"
                lost.setdefault(best["method"], []).append(f"{between} {values}")
        for method, where in lost.items():
            yield Caution(
                f"{method} does better than the model by {guide_of(metric).title}: {'; '.join(where)}.",
                "It uses the labels: much of what is imputed may be the type of the cell."
                if method in run.methods_using_labels
                else "Training longer, or other settings, may help; else use the simpler method for this.",
            )


def _coverage(run: RunFiles) -> Iterator[Caution]:
    level = ((run.spec.get("evaluate") or {}).get("intervals") or {}).get("level", 0.9)
    for one in _ours(run, "interval_coverage"):
        if abs(one["value"] - level) > COVERAGE_OFF:
            low = one["value"] < level
            yield Caution(
                f"Intervals of {one['target']} from {one['source']} hold {one['value']:.1%} of the measured values, "
                f"not {level:.0%}.",
                "They are too narrow: these cells differ from those that the intervals were calibrated on."
                if low
                else "They are wider than need be; where most values are 0, that cannot be helped.",
                serious=low and level - one["value"] > 2 * COVERAGE_OFF,
            )


def _nothing_held_out(run: RunFiles) -> Iterator[Caution]:
    scopes = {one["scope"] for one in run.metrics}
    if scopes and not run.stopped_early and HELD_OUT_CELLS not in scopes:
        if HELD_OUT_PAIRS in scopes:
            yield Caution(
                "No cell was held out: scores of the alignment are on cells that were trained on, of pairs that the "
                "model was not told.",
                "They say nothing of cells that the model has never seen.",
            )
        else:
            yield Caution(
                "Nothing was held out: all scores are on cells that the model was trained on, which flatters any.",
                "Set evaluate.holdout.fraction to 0.2 for honest ones.",
                serious=True,
            )


def _failed_methods(run: RunFiles) -> Iterator[Caution]:
    for one in run.methods:
        if one["status"] != "done":
            reason = "; ".join((one.get("reason") or "no reason given").splitlines())
            yield Caution(f"{one['method']} has no result ({one['status']}): {reason}")


def _few_cells(run: RunFiles) -> Iterator[Caution]:
    few = {m: n for m, n in run.pairing.get("cells", {}).items() if n < FEW_CELLS}
    if few:
        listed = ", ".join(f"{n} of {m}" for m, n in few.items())
        yield Caution(f"There are few cells: {listed}.", "Scores vary much from one split or seed to the next.")
    scored = {one["n_cells"] for one in run.metrics if one["scope"] in (HELD_OUT_CELLS, HELD_OUT_PAIRS)}
    if scored and min(scored) < FEW_SCORED:
        yield Caution(f"Some scores rest on {min(scored)} held-out cells.", "Take them as a rough guide.")


def _collapsed(run: RunFiles) -> Iterator[Caution]:
    for modality, of in run.posterior.items():
        divergence = [value for value in of.get("kl", []) if value is not None]
        live = sum(value > COLLAPSED for value in divergence)
        if divergence and live <= 1:
            yield Caution(
                f"The posterior of {modality} has collapsed: {live} of {len(divergence)} latents tell cells apart.",
                "The embedding of these cells means little; lower the weight of the loss kl, or train for longer.",
                serious=True,
            )


def _no_pairs(run: RunFiles) -> Iterator[Caution]:
    for pair in run.pairing.get("pairs", []):
        if not pair["known_a"]:
            shared = pair["shared_a"]
            judged = f"; {shared:,} true pairs were hidden, to judge it by" if shared else ""
            yield Caution(f"The run was told no pair of {pair['a']} and {pair['b']}{judged}.")


def _imputability(imputability: Mapping[tuple[str, str], pd.Series]) -> list[Caution]:
    found = []
    for (source, target), values in imputability.items():
        hopeless = int((values.fillna(0) < HARDLY_IMPUTED).sum())
        if hopeless > len(values) / 2:
            found.append(
                Caution(
                    f"{hopeless:,} of {len(values):,} features of {target} can hardly be imputed from {source} "
                    f"(imputability below {HARDLY_IMPUTED}).",
                    "Look at the table of features before using one.",
                )
            )
    return found


def _ours(run: RunFiles, metric: str) -> list[Record]:
    return [one for one in in_main_scope(headlines(run.metrics), metric) if one["method"] == MODEL_NAME]


def _ends(record: Record) -> tuple[str, str]:
    return record["source"], record["target"]


_LOOKS: Sequence[Callable[[RunFiles], Iterator[Caution]]] = (
    _unfinished,
    _matching_at_chance,
    _not_aligned,
    _nothing_held_out,
    _collapsed,
    _beaten,
    _coverage,
    _failed_methods,
    _no_pairs,
    _few_cells,
)
