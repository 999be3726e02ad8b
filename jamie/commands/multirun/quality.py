"""How good inferred correspondences are, beside chance and the truth: of every run, and means over repetitions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jamie.commands.multirun.costs import MEMORY, PROCESSOR, SECONDS
from jamie.commands.multirun.settings import setting_labels
from jamie.commands.multirun.tables import run_rows
from jamie.report.tables import CHANCE, TRUTH, split_reference
from jamie.runs.run import Run
from jamie.spec.sweep import REPEAT

if TYPE_CHECKING:
    from jamie.commands.multirun.plan import RunStatus

INFERRED = "inferred"
PARTNERS = "partners"  # column: whose partners a row scores, one of these three; in the summary which inferer's
SECTION = "correspondence."  # of a spec: its keys change neither the scored cells nor chance and truth
ENDS, BACK = ("source", "target"), "_back"
MEASURES = {  # by metric, with the names of its parts; of the last also back
    "barycentric_foscttm": ("foscttm",),
    "matching": ("mass", "top_1", "top_10", "quantile", "type_accuracy"),
    "barycentric_label_transfer_accuracy": ("label_transfer_accuracy", f"label_transfer_accuracy{BACK}"),
}
VALUES = [value for values in MEASURES.values() for value in values]
COSTS = (SECONDS, PROCESSOR, MEMORY, "objective")


def quality_table(runs: Sequence[RunStatus], keys: Sequence[str]) -> pd.DataFrame:
    """Collect the quality of inferred correspondences of finished runs, with a column for each of the swept keys.

    Every two modalities of a run have three rows, which the column `partners` tells apart: ``inferred`` with the time
    and memory of the stage, ``chance`` and ``truth`` with the values of random and of true partners of the same cells.
    `scope` and `n_cells` say which cells these are. Labels are transferred from the second modality to the first, and
    back.
    """
    columns = ["run", *keys, *ENDS, "scope", "n_cells", PARTNERS, *VALUES, *COSTS]
    return pd.DataFrame(run_rows(runs, keys, _qualities), columns=columns)


def _qualities(run: Run) -> Iterator[dict[str, Any]]:
    cost = run.manifest["stages"].get("correspondence", {})
    for inferred in run.inference:
        ends = tuple(inferred[end] for end in ENDS)
        found: dict[str, dict[str, Any]] = {INFERRED: {}, CHANCE: {}, TRUTH: {}}
        cells: dict[str, Any] = {}
        for record in run.metric_records:
            if record["metric"] in MEASURES and sorted(record[end] for end in ENDS) == sorted(ends):
                cells = cells or {name: record[name] for name in ("scope", "n_cells")}
                partners, measure = _partners_and_measure(record, back=record["source"] != ends[0])
                found[partners].setdefault(measure, record["value"])  # the first of a metric, of several parameters
        found[INFERRED] |= {name: cost.get(name) for name in (SECONDS, PROCESSOR, MEMORY)}
        found[INFERRED]["objective"] = inferred["diagnostics"].get("objective")
        for partners, values in found.items():
            if values:
                yield dict(zip(ENDS, ends, strict=True)) | cells | {PARTNERS: partners} | values


def _partners_and_measure(record: Mapping[str, Any], *, back: bool) -> tuple[str, str]:
    """Return whose partners a value scores, and the measure; the value itself is the first of its metric."""
    names = MEASURES[record["metric"]]
    part, reference = split_reference(record["part"])
    measure, partners = part or names[0], reference or INFERRED
    # a label transfer from the first modality is the one back
    return partners, measure + BACK if not back and measure + BACK in names else measure


def quality_summary(quality: pd.DataFrame, keys: Sequence[str], grid_keys: Sequence[str]) -> pd.DataFrame:
    """Return means of `quality_table` over repetitions, and standard errors.

    Parameters
    ----------
    quality
        As `quality_table` gives it.
    keys
        The swept keys.
    grid_keys
        Those that are no repetition.

    Returns
    -------
    DataFrame
        For every setting of keys outside of ``correspondence``, every two modalities and every scope a row for each
        inferer, which `partners` names, then one for `chance` and one for `truth`. Each measure has a column of means
        and one of standard errors, ``<measure>_se``, NaN of a single run.
    """
    inner = [key for key in grid_keys if key.startswith(SECTION)]
    setting = [*(key for key in grid_keys if key not in inner), *ENDS, "scope"]
    kind = quality[PARTNERS].map([INFERRED, CHANCE, TRUTH].index)
    labels = pd.Series(setting_labels(quality, inner), quality.index, dtype=object)
    table = quality.assign(**{PARTNERS: quality[PARTNERS].where((kind > 0) | (labels == ""), labels), "_kind": kind})
    values = ["n_cells", *VALUES, *COSTS]
    table[values] = table[values].apply(pd.to_numeric)
    rows = [*setting, PARTNERS, "_kind"]
    repeated = [key for key in keys if key not in grid_keys and key != REPEAT]
    # every run of one repetition has the same chance and truth
    once = table.groupby([*rows, *repeated], sort=False, dropna=False)[values].mean().reset_index()
    groups = once.groupby(rows, sort=False, dropna=False)[values]
    summary = groups.mean().join(groups.sem().add_suffix("_se")).join(groups.size().rename("n")).reset_index()
    order = summary.groupby(setting, sort=False, dropna=False).ngroup()
    summary = summary.iloc[np.lexsort((summary["_kind"], order))]
    shown = ["n_cells", *(name for value in (*VALUES, *COSTS) for name in (value, f"{value}_se"))]
    return summary[[*setting, PARTNERS, "n", *shown]].reset_index(drop=True)
