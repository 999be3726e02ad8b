"""`jamie compare` on finished runs."""

import json
import shutil

import pandas as pd
import pytest

import jamie
from jamie.runs.directory import FORMAT


@pytest.fixture
def twice(finished, tmp_path):
    """The finished run, and a copy in a folder of the same name."""
    copy = tmp_path / "again" / finished.out.name
    shutil.copytree(finished.out, copy)
    return finished.out, copy


def edit(path, change):
    path.write_text(json.dumps(change(json.loads(path.read_text()))))


def test_one_table_of_all_records(finished, twice, tmp_path):
    done = finished.call("compare", *twice, "--out", tmp_path / "both")
    assert done.exit_code == 0, done.output
    table = pd.read_csv(tmp_path / "both" / "compare.csv")
    first, second = (f"{path.parent.name}/out" for path in twice)
    of_run = pd.read_csv(finished.out / "metrics.csv")
    assert list(table["run"].unique()) == [first, second]
    for name in (first, second):
        rows = table[table["run"] == name].drop(columns="run").reset_index(drop=True)
        pd.testing.assert_frame_equal(rows, of_run)
    written = json.loads((tmp_path / "both" / "compare.json").read_text())
    assert written["runs"] == {first: str(twice[0]), second: str(twice[1])}
    assert [record["run"] for record in written["records"]] == [first] * len(of_run) + [second] * len(of_run)
    assert {(one["run"], one["method"]) for one in written["methods"]} == {
        (name, method) for name in (first, second) for method in ("jamie", "procrustes_pairs")
    }
    assert written["differences"] == {}
    assert "cannot be compared" not in done.stderr
    assert "foscttm ↓" in done.stdout
    assert max(map(len, done.stdout.splitlines()[:-1])) <= 80


def test_wins_are_counted_between_every_two_methods_of_all_runs(finished, twice, tmp_path):
    features = pd.read_csv(twice[1] / "features.csv")
    worse = features[features["feature"] != "marker0"].assign(pearson=lambda table: table["pearson"] - 0.1)
    worse.to_csv(twice[1] / "features.csv", index=False)
    wins = pd.DataFrame(jamie.compare(twice).wins)
    of_model = wins[(wins["method_a"] == "jamie") & (wins["method_b"] == "jamie")].set_index("target")
    assert list(of_model["run_a"] + " " + of_model["run_b"]) == [f"{twice[0].parent.name}/out again/out"] * 2
    assert of_model.loc["protein", ["wins_a", "wins_b", "ties"]].tolist() == [7, 0, 0]  # marker0 is not shared
    assert of_model.loc["rna", ["wins_a", "wins_b", "ties"]].tolist() == [12, 0, 0]
    assert of_model.loc["rna", "p_value"] == pytest.approx(2 * 0.5**12)


def test_runs_that_cannot_be_compared_are_named(finished, place, caplog):
    for name, evaluate in (("a", {}), ("b", {"known_pairs": {"fraction": 0.5}})):
        place.works(place.run(evaluate=evaluate))
        place.out.rename(place.folder / name)
    found = jamie.compare([finished.out, place.folder / "a", place.folder / "b"])
    assert found.differences == {
        "data": [["out"], ["a", "b"]],
        "held_out": [["out"], ["a", "b"]],
        "known": [["out"], ["a"], ["b"]],
    }
    assert "runs have other held-out cells, so that their figures cannot be compared: out; a, b" in caplog.text
    done = place.call("compare", place.folder / "a", place.folder / "b")
    assert "WARNING: runs have other known pairs, so that their figures cannot be compared: a; b" in done.stderr


def test_a_folder_stands_for_the_runs_below_it(finished, twice, tmp_path, caplog):
    shutil.copytree(finished.out, tmp_path / "again" / "failed")
    edit(tmp_path / "again" / "failed" / "manifest.json", lambda manifest: manifest | {"status": "failed"})
    sweep = {"format": FORMAT, "status": "finished", "sweep": {"keys": []}}
    (tmp_path / "again" / "manifest.json").write_text(json.dumps(sweep))
    found = jamie.compare([tmp_path / "again", twice[1]])
    assert found.runs == {"out": twice[1]}
    assert "failed is left out: expected a finished run, found one that is failed" in caplog.text


def test_what_is_no_finished_run_is_refused(finished, tmp_path):
    (tmp_path / "empty").mkdir()
    done = finished.call("compare", finished.out, tmp_path / "empty", tmp_path / "nope")
    problem = (
        f"compare: expected finished runs, found 2 that are not: {tmp_path}/empty (there is no finished run in it); "
        f"{tmp_path}/nope (there is no such folder)\n"
    )
    finished.refused(done, problem)


def test_an_earlier_comparison_is_kept(finished, tmp_path):
    assert finished.call("compare", finished.out, "--out", tmp_path / "both").exit_code == 0
    done = finished.call("compare", finished.out, "--out", tmp_path / "both")
    finished.refused(done, f"{tmp_path}/both: holds a comparison already\n  give another --out, or --overwrite")
    assert finished.call("compare", finished.out, "--out", tmp_path / "both", "--overwrite").exit_code == 0


def test_json(finished):
    found = json.loads(finished.call("compare", finished.out, "--json").stdout)
    assert set(found) == {"runs", "records", "methods", "wins", "differences"}
    assert found["runs"] == {"out": str(finished.out)}
