"""Specs that nobody means: each is refused at its place with a short message, or accepted."""

import os
import runpy
from pathlib import Path

import pytest

from jamie.core.errors import MOST_BYTES, JamieError, SpecError
from jamie.spec import load_spec
from jamie.spec.sweep import expand

FUZZER = runpy.run_path(str(Path(__file__).with_name("fuzz_specs.py")))
DATA = "data: {simulate_branch: {n_cells: 30}}\n"


@pytest.fixture
def refused(tmp_path):
    """Return the message of a spec that is refused."""

    def refused(text):
        (tmp_path / "spec.yaml").write_text(text)
        with pytest.raises(SpecError) as caught:
            expand(tmp_path / "spec.yaml")
        assert len(str(caught.value).encode()) <= MOST_BYTES
        return str(caught.value)

    return refused


def test_mutated_specs_are_accepted_or_refused_in_a_few_lines(tmp_path, monkeypatch):
    monkeypatch.delenv("JAMIE_DATA", raising=False)
    found, first, _ = FUZZER["fuzz"](60, 7, tmp_path)
    assert not found, first


def test_numbers_have_a_hundred_digits_at_most(refused):
    said = refused(DATA + f"seed: {'1' * 5000}\n")
    assert "spec.yaml:2:7  expected a number of at most 100 digits, found 5,000" in said
    with pytest.raises(SpecError, match=r"^seed: expected a number of at most 100 digits, found more$"):
        load_spec({"data": "simulate_branch", "seed": 10**5000})


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{a: ", "}")])
def test_depth_is_limited(refused, opening, closing):
    said = refused(f"{DATA}labels: {opening * 900}{closing * 900}\n")
    assert "not YAML: expected at most 50 lists and mappings in one another, found more" in said


def test_a_list_in_itself_is_refused():
    own = []
    own.append(own)
    with pytest.raises(SpecError, match="expected at most 50 lists and mappings in one another, found more"):
        load_spec({"data": "simulate_branch", "labels": own})


def test_aliases_cannot_multiply_without_end(refused):
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    assert "expected at most 100,000 values, found more\n" in refused("\n".join(lines))


@pytest.mark.parametrize("name", ["~nosuchuser/cells.h5mu", "a/" * 5000, "a" * 300, "a\\0b"])
@pytest.mark.parametrize("key", ["data: {mudata: {path: %s}}\n", "extends: %s\n", "preset: %s\n", "plugins: [%s]\n"])
def test_names_that_no_file_can_have(refused, key, name):
    said = refused((DATA if not key.startswith("data") else "") + key % f'"{name}"')
    assert "no such file" in said or "unknown preset" in said


def test_no_more_runs_than_anybody_waits_for(refused):
    said = refused(DATA + "evaluate: {holdout: {folds: 100000000}}\n")
    assert "expected at most 10,000 runs, found 100,000,000\n" in said
    many = ", ".join(map(str, range(101)))
    said = refused(f"{DATA}sweep: {{seed: [{many}], training.batch_size: [{many}]}}\n")
    assert "spec.yaml:2:8  expected at most 10,000 runs, found 10,201\n" in said


def test_ten_problems_and_ten_names_are_told(refused):
    said = refused(DATA + "labels: [" + ", ".join(f"[{i}]" for i in range(25)) + "]\n")
    assert said.count("expected text, found a list") == 10
    assert said.endswith("and 15 more problems")
    listed = refused(DATA + "correspondence: {infer: unoincom}\n").splitlines()[3].partition("available: ")[2]
    assert listed.count(", ") == 10
    assert ", and " in listed


def test_long_lines_are_shown_in_part(refused):
    said = refused(f"{DATA}labels: [{', '.join(['name'] * 900)}, 3]\n")
    shown, carets = said.splitlines()[1:3]
    assert len(shown) < 200
    assert shown[carets.index("^")] == "3"


def test_messages_of_any_error_are_short():
    error = JamieError("found " + "é" * 5000, where="/" + "a" * 5000, fix="b" * 5000)
    assert len(str(error).encode()) <= 4096
    assert " [...] " in error.problem
    assert os.fsencode(str(JamieError("found \udcff" * 2000)))
