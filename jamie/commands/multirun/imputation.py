"""How well the methods of a sweep impute: each direction of each dataset, who is best, and at how many features."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jamie.commands.multirun.tables import name_rows, run_rows
from jamie.core.names import HELD_OUT_CELLS
from jamie.metrics.sign_test import SignTest, sign_tests
from jamie.report.tables import BEST, TIED, WIDTH, Block, arrow, folded, is_ranked, number, panels

CASE = ("metric", "parameters", "source", "target")
DIRECTION = "direction"
BEST_WORD, TIED_WORD = "best", "tied"
PARTS = frozenset({"untied"})  # of metrics, shown beside them
SIGNIFICANT = 0.05  # p value below which one method is said to be better at more features
SCORES = ("higher_is_better", "method", "mean", "se", "n", "behind", "behind_se", "standing")
WON = ("metric", "source", "target")
COUNTED = ("method", "wins", "losses", "ties", "p_value", "runs_won", "runs_lost", "n")


@dataclass(frozen=True)
class Imputations:
    """What a sweep says of imputing held-out cells; empty tables where there is nothing to compare.

    Parameters
    ----------
    scores
        A row for each cell of the grid, metric, direction and method: `mean` and standard error `se` over `n`
        repetitions; by how much it is `behind` the best method, with the standard error of that over the repetitions
        that both have; its `standing`: ``best``, ``tied`` where it is behind by no more than that error, or empty.
    wins
        A row for each cell of the grid, metric, direction and other method: at how many features the first method, the
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
        """Return the rows of a summary that `scores` does not speak of."""
        here = summary["metric"].isin(self.scores["metric"]) & (summary["scope"] == HELD_OUT_CELLS)
        return summary[~here]

    def blocks(self, grid_keys: Sequence[str], width: int = WIDTH) -> list[Block]:
        """Return what a person reads: means of each metric, then the features won by the first metric."""
        return [*_score_blocks(self.scores, grid_keys, width), *_win_blocks(self.wins, grid_keys, width)]


def imputations(
    runs: Sequence[tuple[str, Mapping[str, Any], Path]],
    records: pd.DataFrame,
    keys: Sequence[str],
    grid_keys: Sequence[str],
) -> Imputations:
    """Compare how the methods impute.

    Parameters
    ----------
    runs
        Name, swept values and run directory of each.
    records
        Theirs, as `jamie.commands.multirun.tables.record_table` gives them.
    keys, grid_keys
        The swept keys, with and without repetitions.
    """
    chosen = _of_imputation(records)
    using_labels = {
        one["method"] for *_, folder in runs for one in _json(folder / "methods.json") if one["uses_labels"]
    }
    scores = score_table(chosen, grid_keys, using_labels)
    if scores["method"].nunique() < 2:
        return Imputations(scores.head(0), pd.DataFrame(columns=[*grid_keys, *WON, *COUNTED]))
    higher = dict(zip(chosen["metric"], chosen["higher_is_better"].astype(bool), strict=True))
    features = pd.DataFrame(run_rows(runs, keys, lambda folder: _held_out_rows(folder / "features.csv")))
    counted = pd.DataFrame(run_rows(runs, keys, lambda folder: _held_out_rows(folder / "wins.csv")))
    return Imputations(scores, win_table(features, counted, grid_keys, higher))


def _of_imputation(records: pd.DataFrame) -> pd.DataFrame:
    """Headlines in held-out cells of the metrics that have one in both directions, those of imputed values.

    The telling parts of these metrics stand beside them as metrics of their own.
    """
    held_out = records[records["scope"] == HELD_OUT_CELLS]
    chosen = held_out[held_out["headline"] & (held_out["part"] == "")]
    ends = chosen[["metric", "source", "target"]]
    opposite = ends.rename(columns={"source": "target", "target": "source"}).drop_duplicates()
    both = ends.merge(opposite, how="left", indicator=True)["_merge"] == "both"
    chosen = chosen[both.to_numpy()]
    same = [*WON, "parameters"]
    parts = held_out[held_out["part"].isin(PARTS)].merge(chosen[same].drop_duplicates(), on=same)
    return pd.concat([chosen, parts.assign(metric=parts["metric"] + " " + parts["part"])]) if len(parts) else chosen


def score_table(records: pd.DataFrame, grid_keys: Sequence[str], using_labels: Iterable[str] = ()) -> pd.DataFrame:
    """Mean, standard error and standing of every method; methods `using_labels` do not compete."""
    by, rows = [*grid_keys, *CASE], []
    for place, group in records.groupby(by, sort=False, dropna=False):
        higher = bool(group["higher_is_better"].iloc[0])
        values = group.pivot_table(index="run", columns="method", values="value", sort=False)
        competing = values.drop(columns=[one for one in values if one in set(using_labels)]).mean()
        ranked = len(competing) > 1 and is_ranked(group["metric"].iloc[0])
        best = (competing.idxmax() if higher else competing.idxmin()) if ranked else None
        for method in values:
            gap = pd.Series(dtype=float) if best is None else (values[best] - values[method]).dropna()
            gap = gap if higher else -gap
            mean, se, n = _mean_and_error(values[method].dropna())
            behind, behind_se, _ = _mean_and_error(gap)
            tied = method in competing and behind <= behind_se
            standing = BEST_WORD if method == best else TIED_WORD if tied else ""
            rows.append([*place, higher, method, mean, se, n, behind, behind_se, standing])
    return pd.DataFrame(rows, columns=[*by, *SCORES])


def _mean_and_error(values: pd.Series) -> tuple[float, float, int]:
    """Mean, its standard error (NaN of fewer than two values), and how many they are."""
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return float(values.mean()), float(error), len(values)


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
    grid = features.groupby(list(grid_keys), sort=False, dropna=False) if grid_keys else [((), features)]
    for setting, group in grid if metrics else ():
        ours, *others = dict.fromkeys(group["method"])
        columns = ["source", "target", "scope", "feature", "method"]
        means = group.groupby(columns, sort=False, dropna=False)[list(metrics)].mean().reset_index()
        for other in others:
            pair = means[means["method"].isin((ours, other))]
            common = group[group["method"] == other]["run"].nunique()
            for one in sign_tests(pair, metrics):
                won, lost = _runs_won(counted, dict(zip(grid_keys, setting, strict=True)), one)
                numbers = (one.wins_a, one.wins_b, one.ties, one.p_value, won, lost, common)
                rows.append([*setting, one.metric, one.source, one.target, other, *numbers])
    table = pd.DataFrame(rows, columns=[*grid_keys, *WON, *COUNTED])
    return table.sort_values("metric", key=lambda names: names.map(list(metrics).index), kind="stable")


def _runs_won(counted: pd.DataFrame, setting: Mapping[str, Any], wins: SignTest) -> tuple[int, int]:
    """Count the single runs in which either method is significantly better at more features."""
    same = {**setting, **{name: getattr(wins, name) for name in ("metric", "source", "target", "method_a", "method_b")}}
    chosen = counted[np.logical_and.reduce([counted[name] == value for name, value in same.items()])]
    sure = chosen[chosen["p_value"] < SIGNIFICANT]
    return int((sure["wins_a"] > sure["wins_b"]).sum()), int((sure["wins_a"] < sure["wins_b"]).sum())


def _json(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text())
    return found


def _held_out_rows(path: Path) -> Iterator[Mapping[Any, Any]]:
    table = pd.read_csv(path, dtype={"feature": str, "method": str})
    yield from table[table["scope"] == HELD_OUT_CELLS].to_dict(orient="records")


def _score_blocks(scores: pd.DataFrame, grid_keys: Sequence[str], width: int) -> list[Block]:
    blocks = []
    for (metric, parameters), group in scores.groupby(["metric", "parameters"], sort=False):
        several, ranked = group["n"].max() > 1, (group["standing"] != "").any()
        better = f" {arrow(bool(group['higher_is_better'].iloc[0]), '')}" if is_ranked(str(metric)) else ""
        alone = scores.loc[scores["metric"] == metric, "parameters"].nunique() == 1
        title = f"imputation of held-out cells: {metric}{better}{'' if alone else f' ({parameters})'}"
        title += f", mean ± standard error of {_numbers(group['n'])} runs" if several else ""
        note = f"\n{BEST} best, {TIED} not behind it by more than a standard error" if several else f"; {BEST} best"
        note = note if ranked else ""
        columns: dict[str, dict[tuple[Any, ...], str]] = {}
        for row in group.to_dict(orient="records"):
            columns.setdefault(_narrow(row["method"]), {})[place_of(row, grid_keys)] = _score_cell(row)
        blocks += panels(title + note, columns, direction_names(group, grid_keys), width)
    return blocks


def _win_blocks(wins: pd.DataFrame, grid_keys: Sequence[str], width: int) -> list[Block]:
    if wins.empty:
        return []
    shown = wins[wins["metric"] == wins["metric"].iloc[0]]
    columns: dict[str, dict[tuple[Any, ...], str]] = {}
    for row in shown.to_dict(orient="records"):
        mark = BEST if row["wins"] > row["losses"] and row["p_value"] < SIGNIFICANT else ""
        text = f"{row['wins']}/{row['wins'] + row['losses']}{mark}\n{number(row['p_value'])}"
        columns.setdefault(_narrow(row["method"]), {})[place_of(row, grid_keys)] = text
    title = f"features that the model imputes better than ... ({shown['metric'].iloc[0]}"
    title += f", mean over {_numbers(shown['n'])} runs)" if shown["n"].max() > 1 else ")"
    note = f"\nof those that differ, with p of the binomial test; {BEST} more, p < {SIGNIFICANT:g}"
    return panels(title + note, columns, direction_names(shown, grid_keys), width)


def _numbers(n: pd.Series) -> str:
    """``5``, or ``4 to 5`` where some runs lack a method."""
    return f"{n.min()}" if n.min() == n.max() else f"{n.min()} to {n.max()}"


def _score_cell(row: Mapping[Any, Any]) -> str:
    mark = {BEST_WORD: BEST, TIED_WORD: TIED}.get(row["standing"], "")
    return number(row["mean"]) + mark + ("" if pd.isna(row["se"]) else f"\n± {row['se']:.3f}")


def place_of(row: Mapping[Any, Any], grid_keys: Sequence[str]) -> tuple[Any, ...]:
    """Return what tells the direction of a row from the others: its cell of the grid, from and to which modality."""
    return *(row[key] for key in grid_keys), f"{row['source']} → {row['target']}"


def direction_names(table: pd.DataFrame, grid_keys: Sequence[str]) -> dict[tuple[Any, ...], dict[str, str]]:
    """Cells that name directions, by `place_of`: the dataset or other settings, and from and to which modality."""
    places = list(dict.fromkeys(place_of(row, grid_keys) for row in table.to_dict(orient="records")))
    named = pd.DataFrame(places, columns=[*grid_keys, DIRECTION])
    settings = name_rows(named, list(grid_keys)) if len(named[list(grid_keys)].drop_duplicates()) > 1 else {}
    names = {}
    for place in places:
        cells = {**settings.get(place[:-1], {}), DIRECTION: place[-1]}
        names[place] = {"\n".join(cells): "\n".join(cells.values())} if len(cells) == 2 else cells  # narrow
    return names


def _narrow(method: str) -> str:
    """Fold a method's name before its parameters and after each equals sign."""
    return folded(method).replace("(", "\n(").replace("=", "=\n")
