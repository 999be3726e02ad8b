"""The files of a run directory."""

import json

import pytest

from jamie.runs.directory import OutputDirectory
from jamie.runs.file_names import EVENTS


def test_numbers_that_json_does_not_know_are_null(tmp_path):
    folder = OutputDirectory.create(tmp_path / "run")
    folder.write_json("x.json", {"value": float("nan"), "bounds": (0, float("inf")), "kept": [0.5, "NaN", None]})
    folder.progress("training", 1, 1, {"loss": -float("inf"), "kl": 2.0})
    written = json.loads((folder.path / "x.json").read_text(), parse_constant=pytest.fail)
    assert written == {"value": None, "bounds": [0, None], "kept": [0.5, "NaN", None]}
    (event,) = (folder.path / EVENTS).read_text().splitlines()
    assert json.loads(event, parse_constant=pytest.fail)["values"] == {"loss": None, "kl": 2.0}
