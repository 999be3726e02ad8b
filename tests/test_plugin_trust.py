"""A run or a model of a stranger: what it names is not executed, unless the user says so or has run the same before."""

import json
import logging
import os
import py_compile
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import jamie
from jamie.core.errors import PluginError
from jamie.core.plugin_files import PluginFile
from jamie.spec import AbsentRef, load_saved, load_spec

PLUGIN = '''
import pathlib

import jamie

with pathlib.Path({mark!r}).open("a") as file:  # harmless: it says that it was executed
    file.write("executed\\n")


class Mine(jamie.Schedule):
    """A schedule."""

    name = "mine"

    def __call__(self, step, horizon):
        return 1.0


class Scale(jamie.Preprocessor):
    """Half of each value."""

    name = "halve"

    def _fit(self, X, cells):
        pass

    def _transform(self, X, cells):
        return X / 2

    def _inverse_transform(self, Z, cells):
        return 2 * Z

    def _state(self):
        return {{}}, {{}}

    def _set_state(self, arrays, plain):
        pass
'''


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A user who has run nothing yet."""
    folder = tmp_path / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    return folder


@pytest.fixture
def plugin(place):
    path = place.folder / "mine.py"
    path.write_text(PLUGIN.format(mark=str(place.folder / "mark")))
    return path


@pytest.fixture
def executed(place):
    """How often the plugin was executed since the last question."""

    def executed():
        mark = place.folder / "mark"
        times = len(mark.read_text().splitlines()) if mark.exists() else 0
        mark.unlink(missing_ok=True)
        return times

    return executed


@pytest.fixture
def foreign(place, plugin, home, executed, forget_specs):
    """A run of someone else, made with a plugin whose schedule is needed in training alone."""
    place.works(place.run(plugins=["mine.py"], losses={"kl": {"schedule": "mine"}}, report=["html"]))
    assert executed() == 1
    shutil.rmtree(home)
    forget_specs()
    return place


NOT_EXECUTED = "plugin {folder}/mine.py: not executed (SHA-256 "
COMMANDS = {
    "embed": ("embed", "out", "cells.h5mu", "--out", "new.h5mu"),
    "embed the model folder": ("embed", "out/model", "cells.h5mu", "--out", "new.h5mu"),
    "impute": ("impute", "out", "cells.h5mu", "--out", "new.h5ad", "--source", "rna"),
    "evaluate": ("evaluate", "out", "--set", "evaluate.metrics=[foscttm]"),
    "report": ("report", "out", "--out", "page.html"),
    "transfer": ("transfer", "out", "--label", "cell_type"),
    "explain": ("explain", "out", "knockout", "--set", "max_cells=10"),
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_a_command_executes_nothing_of_a_stranger_and_says_so(foreign, executed, command, reports):
    done = foreign.call(*command)
    foreign.works(done, NOT_EXECUTED)
    assert executed() == 0
    assert "without it there is no schedule 'mine', and what needs it fails" in done.stderr
    assert f"to execute it: --plugin {foreign.folder}/mine.py, or plugins=['{foreign.folder}/mine.py']" in done.stderr
    assert done.stderr.count("not executed") == 1


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_a_file_that_the_user_names_is_executed(foreign, executed, command, reports):
    done = foreign.call(*command, "--plugin", "mine.py")
    foreign.works(done)
    assert executed() > 0
    assert "not executed" not in done.stderr


def test_what_the_user_names_once_is_trusted_from_then_on(foreign, executed, home):
    foreign.works(foreign.call(*COMMANDS["embed"], "--plugin", "mine.py"))
    assert executed() == 1
    done = foreign.call(*COMMANDS["embed"], "--overwrite")
    foreign.works(done)
    assert executed() == 1
    assert "not executed" not in done.stderr
    state = home / "jamie/trusted_plugins.json"
    assert json.loads(state.read_text()) == {
        PluginFile.read(Path("mine.py")).sha256: [str(foreign.folder / "mine.py")],
    }
    assert state.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in state.parent.iterdir()] == ["trusted_plugins.json"]


def test_a_spec_that_the_user_runs_names_its_plugins_itself(foreign, executed):
    foreign.works(foreign.call("validate", "spec.yaml"))
    assert executed() == 1
    foreign.works(foreign.call(*COMMANDS["embed"]))
    assert executed() == 1


def test_another_content_is_not_trusted(foreign, plugin, executed):
    foreign.works(foreign.call("validate", "spec.yaml"))
    executed()
    plugin.write_text(plugin.read_text() + "\n# one line more\n")
    foreign.works(foreign.call(*COMMANDS["embed"]), NOT_EXECUTED)
    assert executed() == 0


def test_what_needs_a_file_that_is_not_executed_is_an_error(place, plugin, home, executed, forget_specs):
    place.works(place.run(plugins=["mine.py"], modalities={"*": {"preprocess": ["standardize", "halve"]}}))
    shutil.rmtree(home)
    forget_specs()
    executed()
    message = "preprocessor 'halve': it is of the plugin {folder}/mine.py: not executed (SHA-256 "
    done = place.call(*COMMANDS["embed"])
    place.refused(done, message)
    assert "look at what it does; to execute it: --plugin" in done.stderr
    assert executed() == 0
    assert not (place.folder / "new.h5mu").exists()
    place.works(place.call(*COMMANDS["embed"], "--plugin", "mine.py"))


def test_a_component_within_another_stands_in_for_itself(place, home, executed, reports, forget_specs):
    text = (
        PLUGIN.format(mark=str(place.folder / "mark"))
        + """

class Note(jamie.Section):
    \"\"\"A section.\"\"\"

    name = "note"

    def _content(self, run):
        return ["a note"]
"""
    )
    (place.folder / "mine.py").write_text(text)
    place.works(place.run(plugins=["mine.py"], report=[{"html": {"sections": ["note"]}}]))
    assert "a note" in (place.out / "report.html").read_text()
    shutil.rmtree(home)
    forget_specs()
    executed()
    place.works(place.call(*COMMANDS["report"]), "without it there is no section 'note'")
    assert "a note" not in (place.folder / "page.html").read_text()
    place.works(place.call(*COMMANDS["report"], "--overwrite", "--plugin", "mine.py"))
    assert "a note" in (place.folder / "page.html").read_text()


def test_python_executes_nothing_of_a_stranger_either(foreign, plugin, executed, caplog):
    with caplog.at_level(logging.WARNING, "jamie"):
        run = jamie.Run("out")
        assert isinstance(run.spec.losses["kl"].schedule, AbsentRef)
        assert jamie.load("out").model.modalities
        assert jamie.pl.umap(run.mdata) is not None
    assert executed() == 0
    assert sum("not executed" in record.getMessage() for record in caplog.records) >= 2
    with pytest.raises(PluginError, match=r"schedule 'mine': it is of the plugin \S*mine.py: not executed"):
        run.spec.losses["kl"].schedule.build()
    assert jamie.Run("out", plugins=[plugin]).spec.losses["kl"].schedule.build()(1, 2) == 1.0
    assert executed() == 1


def test_a_file_that_is_elsewhere_now_is_named(foreign, plugin, executed):
    (foreign.folder / "elsewhere").mkdir()
    moved = plugin.rename(foreign.folder / "elsewhere/mine.py")
    done = foreign.call(*COMMANDS["embed"])
    foreign.works(done, "plugin {folder}/mine.py: no such file; without it there is no schedule 'mine'")
    assert "say where it is: --plugin FILE, or plugins=[FILE] in Python" in done.stderr
    done = foreign.call(*COMMANDS["embed"], "--overwrite", "--plugin", moved)
    foreign.works(done)
    assert "mine.py" not in done.stderr
    assert executed() == 1


def test_other_code_than_at_the_time_is_a_warning_that_names_both(foreign, plugin):
    plugin.write_text(plugin.read_text() + "\n# one line more\n")
    done = foreign.call(*COMMANDS["embed"], "--plugin", "mine.py")
    message = "schedule mine: expected the plugin that this was made with, {folder}/mine.py (SHA-256 "
    foreign.works(done, message)
    assert f"found {foreign.folder}/mine.py (SHA-256 {PluginFile.read(plugin).sha256[:12]})" in done.stderr


def test_the_manifest_and_the_model_record_a_plugin_file(foreign, plugin):
    entry = {
        "distribution": None,
        "version": None,
        "file": str(plugin),
        "sha256": PluginFile.read(plugin).sha256,
        "components": ["schedule mine"],
    }
    assert foreign.manifest()["plugins"] == [entry]
    assert json.loads((foreign.out / "model/model.json").read_text())["plugins"] == [entry]


def rewrite(place, change):
    """Change the resolved spec of the run, as a stranger may."""
    path = place.out / "spec.resolved.yaml"
    spec = yaml.safe_load(path.read_text())
    change(spec)
    path.write_text(yaml.safe_dump(spec, sort_keys=False))


def relative(place, spec):
    spec["plugins"] = ["../mine.py"]


def within(place, spec):
    shutil.copy(place.folder / "mine.py", place.out / "own.py")
    spec["plugins"] = ["own.py"]


def linked(place, spec):
    (place.out / "link.py").symlink_to(place.folder / "mine.py")
    spec["plugins"] = ["link.py"]


def extended(place, spec):
    (place.out / "base.yaml").write_text("plugins: [../mine.py]\n")
    del spec["plugins"]
    spec["extends"] = "base.yaml"


def of_a_method(place, spec):
    path = str(place.folder / "mine.py")
    spec["evaluate"]["compare"] = [{"jamie": {"settings": {"plugins": [path], "training.max_epochs": 2}}}]
    spec["plugins"] = []


def of_a_nested_method(place, spec):
    path = str(place.folder / "mine.py")
    spec["evaluate"]["compare"] = [{"jamie": {"settings": {"plugins.0": path}}}]
    spec["plugins"] = []


def as_an_entry_point(place, spec):
    spec["plugins"] = []
    spec["losses"]["kl"]["schedule"] = "mine:mine"
    (place.out / "mine-1.dist-info").mkdir()
    (place.out / "mine-1.dist-info/entry_points.txt").write_text("[jamie]\nmine = mine\n")
    shutil.copy(place.folder / "mine.py", place.out / "mine.py")


def swept(place, spec):
    spec["sweep"] = {"plugins": [[str(place.folder / "mine.py")]]}
    spec["plugins"] = []


WAYS = (relative, within, linked, extended, of_a_method, of_a_nested_method, as_an_entry_point, swept)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("command", [COMMANDS["report"], COMMANDS["evaluate"]], ids=["report", "evaluate"])
def test_there_is_no_way_around(foreign, executed, way, command):
    rewrite(foreign, lambda spec: way(foreign, spec))
    done = foreign.call(*command)
    assert done.exit_code in (0, 2)
    assert "Traceback" not in done.output
    assert executed() == 0


@pytest.mark.parametrize("recorded", [3, ["x"], [{"components": 3, "file": 3}], [{"components": ["schedule mine"]}]])
def test_what_a_stranger_says_of_plugins_is_not_believed(foreign, executed, recorded):
    for file in (foreign.out / "manifest.json", foreign.out / "model/model.json"):
        file.write_text(json.dumps(json.loads(file.read_text()) | {"plugins": recorded}))
    for name in ("embed", "evaluate"):
        foreign.works(foreign.call(*COMMANDS[name]), NOT_EXECUTED)
    assert executed() == 0


def test_the_bytes_that_were_hashed_are_executed(tmp_path, home):
    good, mark = tmp_path / "good.py", tmp_path / "mark"
    good.write_text("x = 1\n")
    file = PluginFile.read(good)
    good.write_text(f"open({str(mark)!r}, 'w')\n")
    compiled = Path(py_compile.compile(str(good), doraise=True))
    assert compiled.exists()
    assert file.execute().x == 1
    good.write_text("x = 1\n")
    times = (good.stat().st_atime, compiled.stat().st_mtime)
    os.utime(good, times)
    assert PluginFile.read(good).execute().x == 1
    assert not mark.exists()


def test_a_file_that_may_load_its_neighbours_is_trusted_in_its_place_alone(tmp_path, home):
    for folder in ("mine", "theirs"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.py").write_text("import sys\nsys.path.append('.')\n")
        (tmp_path / folder / "b.py").write_text("x = 1\n")
    for name, elsewhere in (("a.py", False), ("b.py", True)):
        PluginFile.read(tmp_path / "mine" / name).remember()
        assert PluginFile.read(tmp_path / "mine" / name).is_trusted
        assert PluginFile.read(tmp_path / "theirs" / name).is_trusted is elsewhere


def no_home(folder, monkeypatch):
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "")


def relative_home(folder, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", "")
    monkeypatch.setenv("HOME", "somewhere")


def unwritable(folder, monkeypatch):
    folder.write_text("a file where the folder should be")


def damaged(folder, monkeypatch):
    (folder / "jamie/trusted_plugins.json").mkdir(parents=True)


def of_others(folder, monkeypatch):
    path = folder / "jamie/trusted_plugins.json"
    path.parent.mkdir(parents=True)
    monkeypatch.setattr(os, "getuid", lambda: path.parent.stat().st_uid + 1)


@pytest.mark.parametrize("state", [no_home, relative_home, unwritable, damaged, of_others])
def test_without_a_state_folder_nothing_is_trusted_and_nothing_fails(tmp_path, home, monkeypatch, state):
    state(home, monkeypatch)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(PLUGIN.format(mark=str(tmp_path / "mark")))
    spec = {"plugins": ["mine.py"], "losses": {"kl": {"schedule": "mine"}}}
    text = yaml.safe_load(load_spec(spec, reads_data=False).to_yaml())
    assert not PluginFile.read(tmp_path / "mine.py").is_trusted
    (tmp_path / "mark").unlink()
    assert isinstance(load_saved(text, reads_data=False).losses["kl"].schedule, AbsentRef)
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("text", ["no json", "[]", '{"a": 3}', '{"a": [3]}'])
def test_a_damaged_state_is_written_anew(tmp_path, home, text):
    (tmp_path / "mine.py").write_text("x = 1\n")
    state = home / "jamie/trusted_plugins.json"
    state.parent.mkdir(parents=True)
    state.write_text(text)
    file = PluginFile.read(tmp_path / "mine.py")
    assert not file.is_trusted
    file.remember()
    assert file.is_trusted


def test_a_state_that_others_may_write_is_not_believed(tmp_path, home):
    (tmp_path / "mine.py").write_text("x = 1\n")
    file = PluginFile.read(tmp_path / "mine.py")
    file.remember()
    (home / "jamie/trusted_plugins.json").chmod(0o666)
    assert not file.is_trusted


def test_a_folder_of_a_stranger_as_the_working_directory(foreign, executed):
    """Python puts it first on its path where a command is given as text."""
    shutil.copy(foreign.folder / "mine.py", foreign.out / "mine.py")
    (foreign.out / "mine-1.dist-info").mkdir()
    (foreign.out / "mine-1.dist-info/entry_points.txt").write_text("[jamie]\nmine = mine\n")
    code = "import jamie; from jamie.builtins import load_registry; print(load_registry().names('schedule'))"
    done = subprocess.run([sys.executable, "-c", code], cwd=foreign.out, capture_output=True, text=True, check=True)
    assert "sigmoid" in done.stdout
    assert "mine" not in done.stdout
    assert executed() == 0
