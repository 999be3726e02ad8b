"""Run directories that are in the way, do not belong to the run, or were left by an interrupt."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from jamie.runs.directory import OutputDirectory

SLOW = '''
import os
import time

import jamie


class Slow(jamie.Loss):
    """Takes its time where the environment says so, and then says that it is at work."""

    name = "slow"

    def forward(self, batch, output):
        if "JAMIE_TEST_SLOW" in os.environ:
            time.sleep(0.05)
        return output.z["rna"].square().mean()
'''


HOLDS_A_LOCK = """
import sys

from jamie.runs.directory import OutputDirectory

with OutputDirectory.create(sys.argv[1], resume=True):
    print(flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def finished(place):
    place.works(place.run())
    return place


class TestOut:
    def test_exists(self, finished):
        before = finished.manifest()
        message = "{folder}/out: exists already\n  give another --out, --resume to go on, or --overwrite to start anew"
        finished.refused(finished.run(), message)
        assert finished.manifest() == before
        finished.works(finished.run(None, "--overwrite"))

    def test_is_no_run_directory(self, place):
        place.out.mkdir()
        (place.out / "mine.txt").write_text("mine")
        message = "{folder}/out: exists already\n  it is not a run directory: give another --out"
        place.refused(place.run(), message)
        message = "{folder}/out: is not a run directory, so it is not overwritten\n  give another --out"
        place.refused(place.run(None, "--overwrite"), message)
        assert (place.out / "mine.txt").read_text() == "mine"

    def test_cannot_be_written(self, place):
        place.out = place.folder / "cells.h5mu" / "out"
        message = "{folder}/cells.h5mu/out: cannot be written (Not a directory)\n  give another --out"
        place.refused(place.run(), message)

    def test_a_result_that_cannot_be_written(self, finished):
        finished.out.joinpath("metrics.json").unlink()
        finished.out.joinpath("metrics.json").mkdir()
        done = finished.run(None, "--resume")
        finished.refused(done, "metrics.json could not be written (")
        assert f"jamie run {finished.out}/spec.resolved.yaml --out {finished.out} --resume" in done.stderr
        assert finished.manifest()["code"] == "output"


class TestResume:
    def test_resume_and_overwrite_contradict(self, finished):
        message = (
            "{folder}/out: expected --resume or --overwrite, found both\n"
            "  give --resume to go on with the run, or --overwrite to start anew"
        )
        finished.refused(finished.run(None, "--resume", "--overwrite"), message)

    def test_nothing_to_resume(self, place):
        message = (
            "{folder}/out: expected a run directory to go on in, found no manifest.json\n"
            "  give --out the run directory to resume, or leave out --resume"
        )
        place.refused(place.run(None, "--resume"), message)
        assert not place.out.exists()

    def test_another_spec(self, finished):
        message = (
            "{folder}/out/spec.resolved.yaml: the spec is not the one that this run was started with: "
            "seed was 0 and is 1\n"
            "  resume with the same spec and settings, or start anew with another --out"
        )
        finished.refused(finished.run(None, "--resume", seed=1), message)
        assert finished.manifest()["status"] == "finished"

    def test_other_data(self, finished, modalities):
        modalities["rna"].X[0, 0] += 1
        message = (
            "{folder}/out: the data are not those that this run was started with\n"
            "  restore the files (data, pairing, plugins), or start anew with another --out"
        )
        finished.refused(finished.run(modalities, "--resume"), message)

    def test_a_damaged_manifest(self, finished):
        (finished.out / "manifest.json").write_text('{"status": ')
        message = "{folder}/out/manifest.json: expected the manifest of a run, found a file that cannot be read ("
        finished.refused(finished.run(None, "--resume"), message)

    def test_a_damaged_checkpoint(self, finished):
        (finished.out / "checkpoint" / "training.safetensors").write_bytes(b"123")
        message = "training.safetensors: expected a checkpoint, found a file that cannot be read ("
        finished.refused(finished.run(None, "--resume"), message)


class TestBegun:
    """A command was killed there before its first manifest was whole."""

    @pytest.fixture
    def begun(self, place):
        place.out.mkdir()
        (place.out / "events.jsonl").write_text("")
        (place.out / ".manifest.partial.json").write_text('{"format": 2, "sta')
        return place

    def test_is_not_taken_unasked(self, begun):
        message = "exists already\n  give another --out, --resume to go on, or --overwrite to start anew"
        begun.refused(begun.run(), message)

    @pytest.mark.parametrize("option", ["--resume", "--overwrite"])
    def test_is_gone_on_with(self, begun, option):
        begun.works(begun.run(None, option))
        assert begun.manifest()["status"] == "finished"
        assert not list(begun.out.glob(".*"))

    def test_of_a_sweep(self, begun):
        begun.works(begun.run(None, "--resume", sweep={"seed": [0, 1]}))
        assert (begun.out / "sweep.csv").is_file()

    def test_beside_files_of_others_is_no_run(self, begun):
        (begun.out / "mine.txt").write_text("mine")
        begun.refused(begun.run(None, "--overwrite"), "is not a run directory, so it is not overwritten")


class TestInUse:
    def test_a_dead_process_keeps_no_lock(self, finished):
        command = [sys.executable, "-c", HOLDS_A_LOCK, str(finished.out)]
        holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        holder.stdout.read(1)
        finished.refused(finished.run(None, "--resume"), "another command is writing here")
        holder.kill()
        holder.communicate()
        finished.works(finished.run(None, "--resume"))

    @pytest.mark.parametrize("option", ["--resume", "--overwrite"])
    def test_another_run_is_refused_and_changes_nothing(self, finished, option):
        before = {path: path.read_bytes() for path in finished.out.rglob("*") if path.is_file()}
        message = "{folder}/out: another command is writing here\n  wait for it, or give another --out"
        with OutputDirectory.create(finished.out, resume=True):
            finished.refused(finished.run(None, option), message)
        assert {path: path.read_bytes() for path in finished.out.rglob("*") if path.is_file()} == before
        finished.works(finished.run(None, option))

    def test_what_an_overwritten_run_left_is_gone(self, finished):
        (finished.out / "imputed" / "old.h5ad").write_text("old")
        (finished.out / "events.jsonl").write_text("old\n")
        finished.works(finished.run(None, "--overwrite"))
        assert not (finished.out / "imputed" / "old.h5ad").exists()
        assert not (finished.out / "events.jsonl").read_text().startswith("old")


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_an_interrupt_leaves_a_run_directory_that_says_so_and_can_be_resumed(place, sent, code):
    (place.folder / "slow.py").write_text(SLOW)
    settings = {
        "preset": "paper",
        "plugins": ["slow.py"],
        "losses": {"slow": {"weight": 1}},
        "training": {"min_epochs": 50, "max_epochs": 100, "patience": 10, "checkpoint_seconds": 0},
    }
    place.works(place.run(**settings))
    expected = place.records()
    place.out = place.folder / "interrupted"
    heeded = f"import os, signal, sys; signal.signal({int(sent)}, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
    jamie = [sys.executable, "-m", "jamie", "run", "spec.yaml", "--out", str(place.out), "--quiet"]
    command = [sys.executable, "-c", heeded, *jamie]  # what started the tests may have told them to ignore the signal
    slowly = os.environ | {"JAMIE_TEST_SLOW": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=slowly)
    while not (place.out / "checkpoint" / "training.safetensors").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(sent)
    _, stderr = process.communicate()
    assert process.returncode == code, stderr
    said = f"interrupted\n  go on with the same spec and settings: jamie run SPEC --out {place.out} --resume\n"
    assert stderr.endswith(said), stderr
    assert "Traceback" not in stderr
    manifest = place.manifest()
    assert manifest["status"] == "interrupted"
    assert manifest["error"] == "interrupted; --resume goes on from the last checkpoint"
    assert manifest["signal"] == sent.name
    assert json.loads((place.out / "events.jsonl").read_text().splitlines()[-1])["event"] == "interrupted"
    assert not (place.out / "metrics.json").exists()
    place.works(place.run(None, "--resume", **settings))
    assert place.manifest()["status"] == "finished"
    assert place.records() == expected
