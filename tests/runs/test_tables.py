"""Tables that travel with the cells: the same in memory, in result.h5mu and in the files of the run."""

import json

import numpy as np
import pandas as pd
import pytest
from mudata import MuData, read_h5mu

import jamie
from jamie.commands.evaluate import evaluate_run
from jamie.data.assemble import mudata_conventions
from jamie.runs.tables import TEXT_COLUMNS, history_table, read_table, storable
from jamie.spec import load_spec
from jamie.training.loop import History

TABLES = ("metrics", "features", "wins", "history", "methods", "stages")
COMPARED = {"compare": ["ridge", "cca"], "metrics": ["foscttm", "js_distance", "pearson"], "holdout": {"fraction": 0.3}}


def read(path):
    with mudata_conventions():
        return read_h5mu(path)


def test_result_carries_what_the_files_say(place):
    assert place.run(None, evaluate=COMPARED).exit_code == 0
    carried = read(place.out / "result.h5mu").uns["jamie"]
    for name in ("metrics", "features", "wins", "history"):
        pd.testing.assert_frame_equal(carried[name], storable(read_table(place.out / f"{name}.csv")), check_dtype=False)
        assert len(carried[name])
    assert list(carried["methods"]["method"]) == ["jamie", "ridge", "cca"]
    assert (carried["methods"]["training_seconds"] >= 0).all()
    assert list(carried["methods"]["reason"]) == ["", "", ""]
    assert {"data", "training", "evaluation"} <= set(carried["stages"]["stage"])
    assert json.loads(carried["pairing"]) == json.loads((place.out / "pairing.json").read_text())
    assert json.loads(carried["correspondence"]) == json.loads((place.out / "correspondence.json").read_text())
    assert not carried["metrics"].isna()["label"].any()


def test_scoring_again_changes_what_the_result_carries(place):
    assert place.run(None, evaluate=COMPARED).exit_code == 0
    before = read(place.out / "result.h5mu")
    evaluate_run(place.out, ["evaluate.metrics=[mse]"])
    after = read(place.out / "result.h5mu")
    assert set(after.uns["jamie"]["metrics"]["metric"]) == {"mse"}
    assert "mse" in after.uns["jamie"]["features"]
    assert "pearson" not in after.uns["jamie"]["features"]
    pd.testing.assert_frame_equal(after.uns["jamie"]["history"], before.uns["jamie"]["history"])
    np.testing.assert_array_equal(after["rna"].obsm["X_jamie"], before["rna"].obsm["X_jamie"])


def test_model_in_memory_gives_the_same_tables(modalities, tmp_path):
    with mudata_conventions():
        mdata = MuData(modalities)
    model = jamie.JAMIE({"labels": ["cell_type"], "training": {"min_epochs": 2, "max_epochs": 3, "ensemble": 2}})
    result = model.fit(mdata).to_mudata(mdata)
    with mudata_conventions():
        result.write_h5mu(tmp_path / "result.h5mu")
    found = read(tmp_path / "result.h5mu").uns["jamie"]
    for name in TABLES:
        pd.testing.assert_frame_equal(found[name], result.uns["jamie"][name], check_dtype=False)
    assert len(found["stages"]) == 0
    pd.testing.assert_frame_equal(found["history"].reset_index(drop=True), model.history, check_dtype=False)


def test_history_has_the_schedule_of_the_paper_and_the_epoch_that_was_kept():
    spec = load_spec({"preset": "paper", "training": {"min_epochs": 100}}, reads_data=False)
    epochs = [[3.0, 2.0, 1.0], [2.0, 1.0, 1.0], [2.5, 1.5, 1.0]]
    histories = (History(("kl", "reconstruction"), epochs, best_epoch=1), History(("kl", "reconstruction"), epochs[:1]))
    table = history_table(histories, spec)
    assert list(table["member"]) == [0, 0, 0, 1]
    assert list(table["epoch"]) == [0, 1, 2, 0]
    np.testing.assert_allclose(table["kappa"], 1 / (1 + np.exp(-5 * (table["epoch"] - 50) / 50)))
    assert list(table["kept"]) == [False, True, False, False]


def test_history_without_divergence_has_no_kappa():
    spec = load_spec({"losses": {"kl": None}}, reads_data=False)
    assert history_table((History(("reconstruction",), [[1.0, 1.0]]),), spec)["kappa"].isna().all()


def test_tables_are_made_so_that_a_file_can_hold_them():
    table = pd.DataFrame({"method": ["jamie", None], "js_distance:L2/3 IT": [0.1, np.nan]})
    found = storable(table)
    assert list(found.columns) == ["method", "js_distance:L2_3 IT"]
    assert list(found["method"]) == ["jamie", ""]
    assert list(found.index) == ["0", "1"]
    assert list(table.columns) == ["method", "js_distance:L2/3 IT"]


@pytest.mark.parametrize("text", ["", "\n"])
def test_empty_file_is_an_empty_table(tmp_path, text):
    (tmp_path / "wins.csv").write_text(text)
    assert read_table(tmp_path / "wins.csv").empty


def test_text_stays_text(tmp_path):
    (tmp_path / "features.csv").write_text("method,feature,pearson\njamie,7,0.5\nNA,null,\n")
    found = read_table(tmp_path / "features.csv")
    assert list(found["feature"]) == ["7", "null"]
    assert list(found["method"]) == ["jamie", "NA"]
    assert np.isnan(found["pearson"].iloc[1])
    assert "feature" in TEXT_COLUMNS
