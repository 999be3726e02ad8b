"""How well the methods of a sweep impute: each direction of each dataset, who is best, and at how many features."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jamie.commands.multirun.tables import run_rows
from jamie.core.names import HELD_OUT_CELLS
from jamie.core.sources import is_joint
from jamie.metrics.sign_test import SignTest, sign_tests
from jamie.report.tables import is_ranked
from jamie.runs.run import Run

if TYPE_CHECKING:
    from jamie.commands.multirun.plan import RunStatus

BEST_STANDING, TIED_STANDING = "best", "tied"
SHOWN_PARTS = frozenset({"untied"})  # of metrics, shown beside them
SIGNIFICANT = 0.05  # p value below which one method is said to be better at more features
CASE = ("metric", "parameters", "source", "target")
SCORE_COLUMNS = ("higher_is_better", "method", "mean", "se", "n", "behind", "behind_se", "standing")
WIN_CASE = ("metric", "source", "target")
WIN_COLUMNS = ("method", "wins", "losses", "ties", "p_value", "runs_won", "runs_lost", "n")


@dataclass(frozen=True)
class ImputationTables:
    """How the methods of a sweep impute held-out cells; empty tables where there is nothing to compare.

    Parameters
    ----------
    scores
        A row for each setting, metric, direction and method: `mean` and standard error `se` over `n`
        repetitions; by how much it is `behind` the best method, with the standard error of that over the repetitions
        that both have; its `standing`: ``best``, ``tied`` where it is behind by no more than that error, or empty.
    wins
        A row for each setting, metric, direction and other method: at how many features the first method, the
        model, is better (`wins`), worse (`losses`) and equal (`ties`), by the mean of each feature over the `n`
        repetitions; the `p_value` of the two-tailed binomial test; in how many single runs it is significantly better
        at more features (`runs_won`), and at fewer (`runs_lost`).
    """

    scores: pd.DataFrame
    wins: pd.DataFrame

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Both by their names."""
        return {"imputation": self.scores, "imputation_wins": self.wins}

    def without(self, summary: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of a summary whose metrics are not in `scores`."""
        included = summary["metric"].isin(self.scores["metric"]) & (summary["scope"] == HELD_OUT_CELLS)
        return summary[~included]


def imputation_tables(
    runs: Sequence[RunStatus], records: pd.DataFrame, keys: Sequence[str], grid_keys: Sequence[str]
) -> ImputationTables:
    """Compare how the methods impute.

    Parameters
    ----------
    runs
        Finished runs.
    records
        Theirs, as `jamie.commands.multirun.tables.record_table` gives them.
    keys, grid_keys
        The swept keys, with and without repetitions.
    """
    chosen = _imputation_records(records)
    methods = [method for run in runs for method in Run(run.folder).methods]
    scores = score_table(chosen, grid_keys, {method["method"] for method in methods if method["uses_labels"]})
    if scores["method"].nunique() < 2:
        return ImputationTables(scores.head(0), pd.DataFrame(columns=[*grid_keys, *WIN_CASE, *WIN_COLUMNS]))
    higher = dict(zip(chosen["metric"], chosen["higher_is_better"].astype(bool), strict=True))
    features, counted = (
        _held_out_table(runs, keys, table) for table in (lambda run: run.features, lambda run: run.wins)
    )
    return ImputationTables(scores, win_table(features, counted, grid_keys, higher))


def _imputation_records(records: pd.DataFrame) -> pd.DataFrame:
    """Headlines in held-out cells of the metrics that have one in both directions, or of several sources together.

    The shown parts of these metrics stand beside them as metrics of their own.
    """
    held_out = records[records["scope"] == HELD_OUT_CELLS]
    chosen = held_out[held_out["headline"] & (held_out["part"] == "")]
    directions = chosen[["metric", "source", "target"]]
    opposite = directions.rename(columns={"source": "target", "target": "source"}).drop_duplicates()
    both = directions.merge(opposite, how="left", indicator=True)["_merge"] == "both"
    chosen = chosen[both.to_numpy() | chosen["source"].map(is_joint).to_numpy(bool)]
    same = [*WIN_CASE, "parameters"]
    parts = held_out[held_out["part"].isin(SHOWN_PARTS)].merge(chosen[same].drop_duplicates(), on=same)
    return pd.concat([chosen, parts.assign(metric=parts["metric"] + " " + parts["part"])]) if len(parts) else chosen


def _held_out_table(
    runs: Sequence[RunStatus], keys: Sequence[str], table_of: Callable[[Run], pd.DataFrame]
) -> pd.DataFrame:
    """Join a table of the runs, as far as it is of held-out cells."""

    def read(run: Run) -> list[dict[Any, Any]]:
        table = table_of(run)
        return table[table["scope"] == HELD_OUT_CELLS].to_dict(orient="records")

    return pd.DataFrame(run_rows(runs, keys, read))


def score_table(records: pd.DataFrame, grid_keys: Sequence[str], using_labels: Iterable[str] = ()) -> pd.DataFrame:
    """Return mean, standard error and standing of every method; methods `using_labels` do not compete."""
    by, rows = [*grid_keys, *CASE], []
    for case, group in records.groupby(by, sort=False, dropna=False):
        higher = bool(group["higher_is_better"].iloc[0])
        values = group.pivot_table(index="run", columns="method", values="value", sort=False)
        competing = values.drop(columns=list(using_labels), errors="ignore").mean()
        ranked = len(competing) > 1 and is_ranked(group["metric"].iloc[0])
        best = (competing.idxmax() if higher else competing.idxmin()) if ranked else None
        for method in values:
            gap = pd.Series(dtype=float) if best is None else (values[best] - values[method]).dropna()
            behind, behind_se = (gap if higher else -gap).mean(), _standard_error(gap)
            scores = values[method].dropna()
            tied = method in competing and behind <= behind_se
            standing = BEST_STANDING if method == best else TIED_STANDING if tied else ""
            numbers = (scores.mean(), _standard_error(scores), len(scores), behind, behind_se)
            rows.append([*case, higher, method, *numbers, standing])
    return pd.DataFrame(rows, columns=[*by, *SCORE_COLUMNS])


def _standard_error(values: pd.Series) -> float:
    """Return the standard error of a mean; NaN of fewer than two values."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else np.nan


def win_table(
    features: pd.DataFrame, counted: pd.DataFrame, grid_keys: Sequence[str], higher_is_better: Mapping[str, bool]
) -> pd.DataFrame:
    """Count the features at which the first method is better than each other one.

    Parameters
    ----------
    features
        As ``features.csv`` of runs, with their names and swept values.
    counted
        As ``wins.csv``, likewise.
    grid_keys
        The swept keys without repetitions.
    higher_is_better
        The metrics, by their columns of `features`.
    """
    rows = []
    metrics = {name: higher for name, higher in higher_is_better.items() if name in features}
    settings = features.groupby(list(grid_keys), sort=False, dropna=False) if grid_keys else [((), features)]
    for setting, group in settings if metrics else ():
        model, *others = dict.fromkeys(group["method"])
        columns = ["source", "target", "scope", "feature", "method"]
        means = group.groupby(columns, sort=False, dropna=False)[list(metrics)].mean().reset_index()
        for other in others:
            n_runs = group[group["method"] == other]["run"].nunique()
            for wins in sign_tests(means[means["method"].isin((model, other))], metrics):
                in_runs = _runs_won(counted, dict(zip(grid_keys, setting, strict=True)), wins)
                numbers = (wins.wins_a, wins.wins_b, wins.ties, wins.p_value, *in_runs, n_runs)
                rows.append([*setting, wins.metric, wins.source, wins.target, other, *numbers])
    table = pd.DataFrame(rows, columns=[*grid_keys, *WIN_CASE, *WIN_COLUMNS])
    return table.sort_values("metric", key=lambda names: names.map(list(metrics).index), kind="stable")


def _runs_won(counted: pd.DataFrame, setting: Mapping[str, Any], wins: SignTest) -> tuple[int, int]:
    """Count the single runs in which either method is significantly better at more features."""
    same = {**setting, **{name: getattr(wins, name) for name in (*WIN_CASE, "method_a", "method_b")}}
    chosen = counted[np.logical_and.reduce([counted[name] == value for name, value in same.items()])]
    significant = chosen[chosen["p_value"] < SIGNIFICANT]
    difference = significant["wins_a"] - significant["wins_b"]
    return int((difference > 0).sum()), int((difference < 0).sum())
