"""Cautions: reasons to doubt a result, from the warnings of a run and from its scores."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from jamie.core.names import HELD_OUT_CELLS, HELD_OUT_PAIRS, MODEL_NAME
from jamie.report.html.guide import guide_of
from jamie.report.html.scores import Record, best_record, direction, headlines, main_scope_records, model_records
from jamie.report.tables import number
from jamie.runs.run import Run

FEW_CELLS, FEW_SCORED = 200, 50
NEAR_CHANCE = 0.4  # FOSCTTM from which two modalities are hardly aligned
COVERAGE_ERROR = 0.03
RELEVANT_DIFFERENCE = 0.01  # of scores
COLLAPSED = 0.01  # nats of KL divergence, below which a latent carries no information
LOW_IMPUTABILITY = 0.1  # correlation


@dataclass(frozen=True)
class Caution:
    """A reason to doubt a result.

    Parameters
    ----------
    text
        The finding, one sentence.
    detail
        Its consequence, or what can be done.
    serious
        Whether it calls results into question.
    """

    text: str
    detail: str = ""
    serious: bool = False


def cautions(run: Run, imputability: Mapping[tuple[str, str], pd.Series]) -> list[Caution]:
    """Return all cautions, the serious ones first.

    Parameters
    ----------
    run
        The run.
    imputability
        Imputability (p_t,) of the features by (source, target), if the run has estimated it.
    """
    found = [
        *_unfinished(run),
        *_correspondence(run),
        *_scores(run),
        *_failed_methods(run),
        *_no_known_pairs(run),
        *_few_cells(run),
        *_imputability(imputability),
        *_warnings(run),
    ]
    return sorted(found, key=lambda caution: not caution.serious)


def _warnings(run: Run) -> Iterator[Caution]:
    """Yield the warnings of the run that no other caution repeats."""
    failed = tuple(f"{method['method']} is left out" for method in run.methods if method["status"] != "done")
    earlier_pages = "report '"  # that an earlier page failed does not matter to a reader of this one
    for message in run.warnings:
        if "NO BETTER THAN CHANCE" not in message and not message.startswith((earlier_pages, *failed)):
            yield Caution(message)


def _unfinished(run: Run) -> Iterator[Caution]:
    if run.status in ("failed", "interrupted"):
        verb = "was interrupted" if run.status == "interrupted" else "failed"
        yield Caution(f"The run has not finished: it {verb}.", serious=True)


def _correspondence(run: Run) -> Iterator[Caution]:
    for record in run.inference:
        judged = [record.get("quality") or {}, record.get("diagnostics") or {}]
        if any(values.get("better_than_chance") is False for values in judged):
            yield Caution(
                f"The inferred correspondence of {record['source']} and {record['target']} is no better than chance.",
                "Its partners are as good as random ones. Give known pairs, links between features, or another "
                "inferer.",
                serious=True,
            )


def _scores(run: Run) -> Iterator[Caution]:
    """Yield cautions of the scores, the held-out cells and the posterior."""
    records, model = headlines(run.metric_records), run.model_name
    for record in model_records(records, "foscttm", model):
        if record["value"] >= NEAR_CHANCE:
            yield Caution(
                f"{record['source']} and {record['target']} are hardly aligned: FOSCTTM is {number(record['value'])}, "
                "and 0.5 is chance.",
                "Neighbors in the latent space are then no evidence that cells are alike.",
                serious=True,
            )
    yield from _nothing_held_out(run)
    yield from _posterior_collapse(run)
    uses_labels = {method["method"] for method in run.methods if method.get("uses_labels")}
    for metric in dict.fromkeys(record["metric"] for record in records if not record["metric"].startswith("interval_")):
        yield from _better_methods(records, metric, uses_labels, model)
    level = run.spec.evaluate.intervals.level
    for record in model_records(records, "interval_coverage", model):
        coverage, narrow = record["value"], record["value"] < level
        if abs(coverage - level) > COVERAGE_ERROR:
            yield Caution(
                f"Intervals of {record['target']} from {record['source']} contain {coverage:.1%} of the measured "
                f"values, not {level:.0%}.",
                "They are too narrow: these cells differ from the calibration cells."
                if narrow
                else "They are too wide; if most values are 0, this is unavoidable.",
                serious=narrow and level - coverage > 2 * COVERAGE_ERROR,
            )


def _better_methods(records: Sequence[Record], metric: str, uses_labels: set[str], model: str) -> Iterator[Caution]:
    """Yield a caution for each method that has the best score of a metric instead of the model."""
    other = "Train longer or with other settings" if model == MODEL_NAME else "Fit with other settings"
    lost = defaultdict(list)
    for own in model_records(records, metric, model):
        best = best_record(main_scope_records(records, metric, model), own) or own
        if abs(best["value"] - own["value"]) > RELEVANT_DIFFERENCE:
            modalities = (" → " if own["n_features"] else " and ").join(direction(own))
            lost[best["method"]].append(f"{modalities} {number(best['value'])} against {number(own['value'])}")
    for method, scores in lost.items():
        yield Caution(
            f"{method} does better than the model by {guide_of(metric).title}: {'; '.join(scores)}.",
            "It uses the labels: imputed values may reflect the type of the cell and little else."
            if method in uses_labels
            else f"{other}, or use the simpler method for this.",
        )


def _nothing_held_out(run: Run) -> Iterator[Caution]:
    scopes = {record["scope"] for record in run.metric_records}
    if not scopes or run.stopped_early or HELD_OUT_CELLS in scopes:
        return
    if HELD_OUT_PAIRS in scopes:
        yield Caution(
            "No cells were held out: the alignment is scored on training cells whose pairs the model did not know.",
            "The scores say nothing about cells that the model has never seen.",
        )
    else:
        yield Caution(
            "Nothing was held out: all scores are on training cells, and therefore too good.",
            "Set evaluate.holdout.fraction to 0.2 for unbiased scores.",
            serious=True,
        )


def _failed_methods(run: Run) -> Iterator[Caution]:
    for method in run.methods:
        if method["status"] != "done":
            reason = "; ".join((method.get("reason") or "no reason given").splitlines())
            yield Caution(f"{method['method']} has no result ({method['status']}): {reason}")


def _few_cells(run: Run) -> Iterator[Caution]:
    few = [f"{n} of {m}" for m, n in run.pairing.get("cells", {}).items() if n < FEW_CELLS]
    if few:
        yield Caution(f"There are few cells: {', '.join(few)}.", "Scores vary much between splits and seeds.")
    held_out = (HELD_OUT_CELLS, HELD_OUT_PAIRS)
    scored = [record["n_cells"] for record in run.metric_records if record["scope"] in held_out]
    if scored and min(scored) < FEW_SCORED:
        yield Caution(f"Some scores are of {min(scored)} held-out cells.", "They are rough estimates.")


def _posterior_collapse(run: Run) -> Iterator[Caution]:
    for modality, posterior in run.posterior.items():
        divergence = [value for value in posterior.get("kl", []) if value is not None]
        active = sum(value > COLLAPSED for value in divergence)
        if divergence and active <= 1:
            yield Caution(
                f"The posterior of {modality} has collapsed: {active} of {len(divergence)} latents are active.",
                "The embedding of these cells means little; lower the weight of the loss kl, or train longer.",
                serious=True,
            )


def _no_known_pairs(run: Run) -> Iterator[Caution]:
    for pair in run.pairing.get("pairs", []):
        if not pair["known_a"]:
            hidden = f"; {pair['shared_a']:,} true pairs were hidden, for evaluation" if pair["shared_a"] else ""
            yield Caution(f"No pairs of {pair['a']} and {pair['b']} were known to the model{hidden}.")


def _imputability(imputability: Mapping[tuple[str, str], pd.Series]) -> Iterator[Caution]:
    for (source, target), values in imputability.items():
        low = int((values.fillna(0) < LOW_IMPUTABILITY).sum())
        if low > len(values) / 2:
            yield Caution(
                f"{low:,} of {len(values):,} features of {target} can hardly be imputed from {source} "
                f"(imputability below {LOW_IMPUTABILITY}).",
                "Look up a feature in the table of features before you use it.",
            )
