"""The disk is full: the message says so, what was whole stays whole, and `--resume` finishes the run."""

import errno

import pytest
from safetensors import SafetensorError

from jamie.core.errors import OutputError
from jamie.core.files import replace_atomically


def test_weights_that_cannot_be_written(place, monkeypatch):
    def full(*_args, **_options):
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("jamie.core.tensor_files.tensors_io.save_file", full)
    done = place.run()
    place.refused(done, "cannot be written (I/O error: No space left on device (os error 28))")
    assert "the disk is full, or a quota or limit of file size (ulimit -f) is reached: free some space" in done.stderr
    assert place.manifest()["status"] == "failed"
    monkeypatch.undo()
    place.works(place.call("run", str(place.folder / "spec.yaml"), "--out", place.out, "--quiet", "--resume"))
    assert place.manifest()["status"] == "finished"


def test_a_file_that_was_whole_stays_so(tmp_path):
    file = tmp_path / "kept.txt"
    file.write_text("whole")

    def write_half():
        with replace_atomically(file) as partial:
            partial.write_text("half")
            raise OSError(errno.EDQUOT, "Disk quota exceeded")

    with pytest.raises(OutputError, match="the disk is full"):
        write_half()
    assert file.read_text() == "whole"
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]
