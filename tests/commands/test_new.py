"""What `jamie new` writes is registered and keeps its contract at once; the page of plugins shows the same."""

import importlib
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import jamie
from jamie.builtins import load_registry
from jamie.commands.new import new_component
from jamie.core.errors import OutputError, SpecError
from jamie.core.interfaces import KINDS
from jamie.testing import parametrize_with_checks

PAGE = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text()


def template(kind):
    return importlib.import_module(f"jamie.testing.templates.{kind}")


@parametrize_with_checks([template(kind).Example for kind in KINDS])
def test_the_example_of_each_kind_keeps_its_contract(component, check):
    check(component)


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_of_each_kind_is_registered(kind, tmp_path):
    (path,) = new_component(kind, "my_own", tmp_path)
    assert path == tmp_path / "my_own.py"
    registry = load_registry([path])
    found = registry.get(kind, "my_own")
    assert found.__name__ == "MyOwn"
    assert "xample" not in path.read_text()
    assert found.summary() == template(kind).Example.summary()


def test_a_new_method_can_be_the_model_of_a_run():
    assert template("method").Example.can_be_saved()


@pytest.mark.parametrize("kind", ["loss", "command"])
def test_the_tests_of_a_new_distribution_pass(kind, tmp_path):
    (folder,) = new_component(kind, "my_own", tmp_path, distribution=True)
    assert folder == tmp_path / "jamie-my-own"
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {
        "pyproject.toml",
        "README.md",
        "jamie_my_own/__init__.py",
        "jamie_my_own/my_own.py",
        "tests/contracts/test_contracts.py",
    }
    settings = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert settings["entry-points"]["jamie"] == {"jamie-my-own": "jamie_my_own"}
    announced = {"my_own": "jamie_my_own"} if kind == "command" else None
    assert settings["entry-points"].get("jamie.commands") == announced
    places = os.pathsep.join([str(folder), str(Path(jamie.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)]
    done = subprocess.run(
        command, cwd=folder, env=os.environ | {"PYTHONPATH": places}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^\d{1,2} passed", done.stdout, re.M)


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("los", "mine", "unknown kind 'los'\n  did you mean 'loss'"),
        (
            "loss",
            "My Loss",
            "jamie new loss My Loss: expected a name of small letters, .* found 'My Loss'\n  such as my_loss",
        ),
        ("loss", "class", "found 'class'\n  such as class_loss"),
        ("loss", "kl", "there is a loss 'kl' already, of jamie\n  choose another name"),
        ("command", "run", "jamie has a command 'run' of its own\n  choose another name"),
    ],
)
def test_a_kind_or_name_that_will_not_do_is_refused(kind, name, words, tmp_path):
    with pytest.raises(SpecError, match=words):
        new_component(kind, name, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("distribution", [False, True])
def test_nothing_is_overwritten(distribution, tmp_path):
    (path,) = new_component("loss", "mine", tmp_path, distribution=distribution)
    with pytest.raises(OutputError, match=rf"{path}: it exists already\n  choose another name, or remove it"):
        new_component("loss", "mine", tmp_path, distribution=distribution)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="it cannot be written: File exists\n  choose another --out"):
        new_component("loss", "other", tmp_path / "file")


def test_the_page_of_plugins_shows_the_example_of_each_kind():
    shown = dict(re.findall(r"^### `(\w+)`\n.*?^```python\n(.*?)^```", PAGE, re.M | re.S))
    assert list(shown) == list(KINDS)
    for kind, text in shown.items():
        source = Path(template(kind).__file__).read_text()
        assert text == source.partition("\n\n")[2], kind
