"""How methods impute: means and standard errors, who is best or tied, features won."""

import numpy as np
import pandas as pd
import pytest

from jamie.commands.multirun.figures import imputation_figure
from jamie.commands.multirun.imputation import ImputationTables, imputation_tables, score_table, win_table
from jamie.commands.multirun.results import write_imputation
from jamie.commands.multirun.tables import record_table, summary_table
from jamie.console.sweep_output import score_tables, win_tables
from jamie.console.tables import print_tables
from jamie.runs.directory import OutputDirectory

DATA, ORDER = "data.path", "evaluate.holdout.column"
VALUES = {  # of three runs: knn is behind by 0.01 on average with a standard error of 0.01, ridge by 0.1 each time
    "jamie": (0.50, 0.60, 0.70),
    "knn": (0.50, 0.60, 0.67),
    "ridge": (0.40, 0.50, 0.60),
    "control": (0.90, 0.90, 0.90),
}


def record(value, method="jamie", source="rna", target="adt", **changed):
    fixed = {"metric": "pearson", "part": "", "scope": "held_out_cells", "label": "", "parameters": {}}
    fixed |= {"higher_is_better": True, "headline": True, "value": value, "method": method}
    return {**fixed, "source": source, "target": target, **changed}


def both(value, method, **changed):
    return [record(value, method, **changed), record(value / 2, method, "adt", "rna", **changed)]


@pytest.fixture
def runs(write_run):
    """Three runs of two datasets, with what they have written."""
    found = []
    for data in ("a.h5mu", "b.h5mu"):
        for order in range(3):
            records = [one for name, values in VALUES.items() for one in both(values[order], name)]
            records += [record(0.3, metric="foscttm"), record(0.2, scope="training_cells")]
            methods = [{"method": name, "uses_labels": name == "control"} for name in VALUES]
            run = write_run(f"{data}-{order}", {DATA: data, ORDER: f"order_{order}"}, metrics=records, methods=methods)
            ends = {"source": "rna", "target": "adt", "scope": "held_out_cells"}
            features = [
                {"method": name, **ends, "feature": f"f{i}", "pearson": VALUES[name][order] + 0.2 * (i == order)}
                for name in VALUES
                for i in range(10)
            ]
            pd.DataFrame(features).to_csv(run.folder / "features.csv", index=False)
            sure = {"metric": "pearson", **ends, "method_a": "jamie", "wins_a": 10, "wins_b": 0, "ties": 0}
            wins = [{**sure, "method_b": "ridge", "p_value": p} for p in ((0.01, 0.04, 0.2)[order],)]
            pd.DataFrame(wins).to_csv(run.folder / "wins.csv", index=False)
            found.append(run)
    return found


@pytest.fixture
def found(runs):
    return imputation_tables(runs, record_table(runs, [DATA, ORDER]), [DATA, ORDER], [DATA])


def shown(found):
    return [*score_tables(found.scores, [DATA]), *win_tables(found.wins, [DATA])]


def test_means_standard_errors_and_standing(found):
    table = found.scores
    assert len(table) == 2 * 2 * len(VALUES)
    assert set(table["metric"]) == {"pearson"}
    mine = table[(table[DATA] == "a.h5mu") & (table["target"] == "adt")].set_index("method")
    assert mine["mean"].to_dict() == pytest.approx({name: np.mean(values) for name, values in VALUES.items()})
    assert mine["se"]["jamie"] == pytest.approx(0.1 / np.sqrt(3))
    assert mine["standing"].to_dict() == {"jamie": "best", "knn": "tied", "ridge": "", "control": ""}
    assert (mine["behind"]["knn"], mine["behind_se"]["knn"]) == pytest.approx((0.01, 0.01))
    assert (mine["behind"]["ridge"], mine["behind_se"]["ridge"]) == pytest.approx((0.1, 0))
    assert set(mine["n"]) == {3}


def test_lower_may_be_better(records_of):
    rows = [
        (str(i), {}, [*both(0.1 + i, "a", higher_is_better=False), *both(i, "b", higher_is_better=False)])
        for i in (0, 1)
    ]
    table = score_table(records_of(rows, []), [])
    assert table.groupby("method")["standing"].first().to_dict() == {"a": "", "b": "best"}
    assert table[table["method"] == "a"]["behind"].tolist() == pytest.approx([0.1, 0.05])


def test_one_run_has_no_standard_error_and_one_method_no_standing(records_of):
    table = score_table(records_of([("0", {}, [*both(0.5, "a"), *both(0.4, "b")])], []), [])
    assert table["se"].isna().all()
    assert list(table["standing"]) == ["best", "", "best", ""]
    alone = score_table(records_of([("0", {}, both(0.5, "a"))], []), [])
    assert list(alone["standing"]) == ["", ""]


def test_coverage_is_to_be_near_a_level_so_that_none_is_best(runs, records_of):
    covered = {"metric": "interval_coverage", "headline": True}
    rows = [
        (
            name,
            values,
            [*both(0.9, "jamie"), *both(0.4, "ridge"), *both(0.95, "jamie", **covered), *both(0.9, "ridge", **covered)],
        )
        for name, values in ((run.name, run.values) for run in runs)
    ]
    rows[0][2].append(record(0.91, metric="interval_coverage", part="untied", headline=False))
    rows[0][2].append(record(0.02, metric="interval_coverage", part="sd", headline=False))
    found = imputation_tables(runs, records_of(rows, [DATA, ORDER]), [DATA, ORDER], [DATA])
    table = found.scores.groupby("metric")["standing"].agg(set)
    assert table.to_dict() == {"pearson": {"best", ""}, "interval_coverage": {""}, "interval_coverage untied": {""}}
    titles = [block.title for block in shown(found)]
    assert "imputation of held-out cells: interval_coverage, mean ± standard error of 3 runs" in titles
    assert "imputation of held-out cells: interval_coverage untied" in titles


def test_features_are_counted_by_their_mean_over_runs(found):
    wins = found.wins[found.wins[DATA] == "a.h5mu"].set_index("method")
    assert (wins["wins"]["ridge"], wins["losses"]["ridge"], wins["ties"]["ridge"]) == (10, 0, 0)
    assert wins["p_value"]["ridge"] == pytest.approx(2 * 0.5**10)
    assert (wins["runs_won"]["ridge"], wins["runs_lost"]["ridge"], wins["n"]["ridge"]) == (2, 0, 3)
    assert (wins["wins"]["control"], wins["losses"]["control"]) == (0, 10)


def test_a_feature_that_some_runs_cannot_score_counts_by_the_others():
    ends = {"source": "rna", "target": "adt", "scope": "held_out_cells", "feature": "f"}
    scores = {("0", "ours"): 0.5, ("0", "knn"): 0.4, ("1", "ours"): np.nan, ("1", "knn"): np.nan}
    features = pd.DataFrame([{"run": run, "method": m, **ends, "pearson": v} for (run, m), v in scores.items()])
    counted = pd.DataFrame(
        columns=["metric", "source", "target", "method_a", "method_b", "p_value", "wins_a", "wins_b"]
    )
    (row,) = win_table(features, counted, [], {"pearson": True}).to_dict(orient="records")
    assert (row["wins"], row["losses"], row["method"]) == (1, 0, "knn")


def test_the_readable_tables(found, capsys):
    scores, wins = shown(found)
    assert scores.title.splitlines() == [
        "imputation of held-out cells: pearson ↑, mean ± standard error of 3 runs",
        "* best, = not behind it by more than a standard error",
    ]
    assert scores.rows[0] == {
        "path\ndirection": "a.h5mu\nrna → adt",
        "jamie": "0.600*\n± 0.058",
        "knn": "0.590=\n± 0.049",
        "ridge": "0.500\n± 0.058",
        "control": "0.900\n± 0.000",
    }
    assert [row["path\ndirection"] for row in scores.rows[1:]] == [
        "a.h5mu\nadt → rna",
        "b.h5mu\nrna → adt",
        "b.h5mu\nadt → rna",
    ]
    assert wins.rows[0]["ridge"] == "10/10*\n0.002"
    print_tables([scores, wins])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_what_is_no_imputation_stays_in_the_summary(runs, found):
    rest = found.without(summary_table(record_table(runs, [DATA, ORDER]), [DATA]))
    assert set(zip(rest["metric"], rest["scope"], strict=True)) == {
        ("foscttm", "held_out_cells"),
        ("pearson", "training_cells"),
    }


def test_there_is_nothing_to_compare(runs, tmp_path, records_of):
    alone = [(name, values, both(0.5, "jamie")) for name, values in ((run.name, run.values) for run in runs)]
    found = imputation_tables(runs, records_of(alone, [DATA, ORDER]), [DATA, ORDER], [DATA])
    assert (
        len(found.scores),
        len(found.wins),
        shown(found),
    ) == (0, 0, [])
    write_imputation(OutputDirectory(tmp_path / "none"), found, [DATA])
    assert not (tmp_path / "none").exists()
    assert imputation_tables([], record_table([], [DATA]), [DATA], [DATA]).scores.empty


def test_files_and_figure(found, tmp_path):
    write_imputation(OutputDirectory(tmp_path), found, [DATA])
    assert len(pd.read_csv(tmp_path / "imputation.csv")) == len(found.scores)
    assert len(pd.read_csv(tmp_path / "imputation_wins.csv")) == len(found.wins)
    assert (tmp_path / "figures" / "imputation_pearson.svg").is_file()
    figure = imputation_figure(found.scores, [DATA])
    assert [axes.get_title() for axes in figure.axes][:2] == ["a.h5mu\nrna → adt", "a.h5mu\nadt → rna"]
    markers = [line for line in figure.axes[0].get_lines() if line.get_marker() in "os^D"]
    assert [line.get_xdata()[0] for line in markers] == pytest.approx([np.mean(values) for values in VALUES.values()])
    assert [line.get_markerfacecolor() != "white" for line in markers] == [True, True, False, False]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == list(VALUES)


@pytest.mark.parametrize(("level", "said"), [(0.9, "the dotted level, 0.9"), (None, "their level")])
def test_coverage_is_drawn_beside_the_level_that_it_aims_at_and_has_no_best(found, level, said):
    scores = found.scores.assign(metric="interval_coverage untied", standing="")
    figure = imputation_figure(scores, [DATA], level)
    label = figure.get_supxlabel()
    assert label.endswith(f"mean ± standard error\nthe intervals aim at {said}")
    dotted = [line for line in figure.axes[0].get_lines() if line.get_linestyle() == ":"]
    assert [list(line.get_xdata()) for line in dotted] == ([[level, level]] if level else [])
    assert "(higher is better)\nfilled: the best" in imputation_figure(found.scores, [DATA], level).get_supxlabel()


def test_names_of_figures_hold_no_spaces(found, tmp_path):
    scores = found.scores.assign(metric="interval_coverage untied")
    write_imputation(OutputDirectory(tmp_path), ImputationTables(scores, found.wins), [DATA])
    assert [path.name for path in sorted((tmp_path / "figures").iterdir())] == [
        "imputation_interval_coverage_untied.png",
        "imputation_interval_coverage_untied.svg",
    ]


def test_wide_names_of_methods_are_folded():
    scores = pd.DataFrame(
        [
            {
                **record(0.5),
                "method": "jamie(spec=paper)",
                "mean": 0.5,
                "se": np.nan,
                "n": 1,
                "standing": "",
                "parameters": "",
            }
        ]
    )
    (block,) = score_tables(scores, [])
    assert list(block.rows[0]) == ["direction", "jamie\n(spec=\npaper)"]
