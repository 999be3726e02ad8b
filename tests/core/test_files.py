from contextlib import suppress

import pytest

from jamie.core.errors import OutputError
from jamie.core.files import replace_atomically, write_atomically


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", ["a.txt", "model", "b.zarr"])
def test_what_was_written_replaces_a_file_or_folder_at_once(tmp_path, name):
    out = tmp_path / "new" / name
    for text in ("first", "second"):
        with replace_atomically(out) as partial:
            assert not partial.exists()
            if name == "a.txt":
                partial.write_text(text)
            else:
                partial.mkdir()
                (partial / text).write_text(text)
            assert out.exists() == (text == "second")
        assert names(out.parent) == [name]
    assert out.read_text() == "second" if name == "a.txt" else names(out) == ["second"]


def test_after_an_error_all_is_as_before(tmp_path):
    out = tmp_path / "a.txt"
    out.write_text("mine")

    with suppress(KeyboardInterrupt), replace_atomically(out) as partial:
        partial.write_text("half")
        raise KeyboardInterrupt
    assert out.read_text() == "mine"
    assert names(tmp_path) == ["a.txt"]


def test_where_nothing_can_be_written_it_is_said(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with (
        pytest.raises(OutputError, match=r"a\.csv: cannot be written"),
        write_atomically(tmp_path / "file" / "a.csv", (".csv",), overwrite=False),
    ):
        pytest.fail("nothing can be written here")


def test_a_file_does_not_replace_a_folder(tmp_path):
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(IsADirectoryError), replace_atomically(tmp_path / "a.txt") as partial:
        partial.write_text("lost")
    assert names(tmp_path) == ["a.txt"]
