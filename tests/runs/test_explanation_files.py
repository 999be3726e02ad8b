"""Explanations in a run directory: whole or not at all, each under a name of its own."""

import json

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import jamie
from jamie.core.errors import OutputError
from jamie.runs.directory import OutputDirectory
from jamie.runs.explanation_files import load_explanations, save_explanation


def explanation(explainer="shap", **changes):
    table = pd.DataFrame(
        {
            "feature": ["7", "NA", "a,b", ""],
            "rank": [1, 2, 3, 4],
            "score": [0.1, 1 / 3, np.nan, -1e-300],
            "exact": [True, False, True, False],
            "unnamed": pd.Series([None, "x", None, "y"], dtype=object),
        }
    )
    given = {
        "title": "protein: marker0, from rna",
        "settings": {"source": "rna", "n_background": 100, "features": ["marker0"]},
        "tables": {"top": table, "empty": table.iloc[:0]},
        "notes": ("the sums are off by 2 %",),
    }
    return jamie.Explanation(explainer, **{**given, **changes})


def test_what_is_saved_is_read_again_to_the_last_digit(tmp_path):
    cells = pd.DataFrame(index=["c1", "c2"])
    values = AnnData(np.eye(2, 3, dtype=np.float32), obs=cells, layers={"0": np.ones((2, 3))})
    given = explanation(values=values)
    assert save_explanation(OutputDirectory(tmp_path), given) == "shap"
    (found,) = load_explanations(tmp_path).values()
    assert (found.explainer, found.title, found.notes) == (given.explainer, given.title, given.notes)
    assert found.settings == given.settings
    expected = given.tables["top"].assign(unnamed=["", "x", "", "y"])
    pd.testing.assert_frame_equal(found.tables["top"], expected, check_exact=True)
    assert list(found.tables["empty"].columns) == list(expected.columns)
    assert found.tables["empty"]["exact"].dtype == bool
    assert found.values.obs_names.tolist() == ["c1", "c2"]
    np.testing.assert_array_equal(found.values.layers["0"], np.ones((2, 3)))


def test_files_are_those_that_are_documented(tmp_path):
    save_explanation(OutputDirectory(tmp_path), explanation())
    assert sorted(path.name for path in (tmp_path / "explain/shap").iterdir()) == [
        *("empty.csv", "explanation.json", "top.csv")
    ]


def test_the_same_question_replaces_its_answer_and_others_get_a_number(tmp_path):
    folder = OutputDirectory(tmp_path)
    rna, protein = ({"shap": {"source": m}} for m in ("rna", "protein"))
    assert save_explanation(folder, explanation(), rna) == "shap"
    assert save_explanation(folder, explanation(title="back"), protein) == "shap_2"
    assert save_explanation(folder, explanation("knockout"), "knockout") == "knockout"
    assert save_explanation(folder, explanation(title="again"), rna) == "shap"
    assert [one.title for one in load_explanations(tmp_path).values()] == [
        "protein: marker0, from rna",
        "again",
        "back",
    ]


def test_of_many_the_tenth_comes_last(tmp_path):
    for i in range(10):
        save_explanation(OutputDirectory(tmp_path), explanation(title=f"number {i}"), {"shap": {"cells": i}})
    assert [one.title for one in load_explanations(tmp_path).values()] == [f"number {i}" for i in range(10)]


def test_where_nothing_was_explained_there_is_nothing(tmp_path):
    assert load_explanations(tmp_path) == {}


def test_what_is_being_written_is_not_read(tmp_path):
    (tmp_path / "explain/.shap.partial").mkdir(parents=True)
    assert load_explanations(tmp_path) == {}


def test_one_that_cannot_be_written_leaves_the_earlier_one(tmp_path):
    folder = OutputDirectory(tmp_path)
    save_explanation(folder, explanation())
    with pytest.raises(TypeError, match="not JSON serializable"):
        save_explanation(folder, explanation(settings={"generator": np.random.default_rng(0)}))
    (found,) = load_explanations(tmp_path).values()
    assert found.settings["source"] == "rna"


def changed(**changes):
    return lambda place: (place / "explanation.json").write_text(
        json.dumps(json.loads((place / "explanation.json").read_text()) | changes)
    )


DAMAGE = {
    "no JSON": (lambda place: (place / "explanation.json").write_text("{"), "JSONDecodeError"),
    "no mapping": (lambda place: (place / "explanation.json").write_text("[]"), "explanation.json holds no mapping"),
    "no title": (changed(title=None), "'title' of explanation.json is no str"),
    "no table": (lambda place: (place / "top.csv").unlink(), "FileNotFoundError.*top.csv"),
    "other columns": (
        lambda place: (place / "top.csv").write_text("a,b\n1,2\n"),
        "top.csv has the columns a, b, not f",
    ),
    "no number": (
        lambda place: (place / "top.csv").write_text("feature,rank,score,exact,unnamed\n7,one,1,True,\n"),
        "invalid literal for int",
    ),
    "no values": (changed(values=True), "values.h5ad"),
}


@pytest.mark.parametrize(("damage", "words"), DAMAGE.values(), ids=DAMAGE)
def test_one_that_is_damaged_is_refused(tmp_path, damage, words):
    save_explanation(OutputDirectory(tmp_path), explanation())
    damage(tmp_path / "explain/shap")
    with pytest.raises(OutputError, match=f"(?s)explain/shap: expected an explanation, found one that.*{words}"):
        load_explanations(tmp_path)


def test_a_damaged_one_is_not_replaced(tmp_path):
    folder = OutputDirectory(tmp_path)
    save_explanation(folder, explanation())
    (tmp_path / "explain/shap/explanation.json").write_text("{")
    assert save_explanation(folder, explanation()) == "shap_2"
