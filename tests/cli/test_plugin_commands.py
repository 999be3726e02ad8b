"""Commands that are components."""

import importlib.metadata
import json
import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from jamie.cli import app
from jamie.core.interfaces.command import TAKEN

PLUGIN = '''
from pathlib import Path
from typing import Literal

import jamie


class Greet(jamie.Command):
    """Greet someone.

    Politely.

    Parameters
    ----------
    who
        Whom.
    times
        How often.
    shown
        What is returned.
    loud
        In capitals.
    """

    name = "greet"

    def __init__(
        self, *, who: str, times: int = 1, shown: Literal["text", "rows", "file", "none"] = "text", loud: bool = False
    ) -> None:
        self.who, self.times, self.shown, self.loud = who, times, shown, loud

    def _run(self, context):
        text = self.times * f"Hello {self.who}. "
        if self.shown == "rows":
            return [{"who": self.who, "times": self.times}]
        if self.shown == "file":
            Path("greeting.txt").write_text(text)
            return Path("greeting.txt")
        return (text.upper() if self.loud else text) if self.shown == "text" else None


class Fake(jamie.Command):
    """Would list nothing."""

    name = "list"

    def _run(self, context):
        return "nothing"
'''


@pytest.fixture
def call(tmp_path, monkeypatch):
    (tmp_path / "greet.py").write_text(PLUGIN)
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(app, [*words, "--plugin", "greet.py"])


def test_a_command_runs_with_its_arguments_and_options(call):
    assert call("greet", "3", "--times", "2").stdout == "Hello 3. Hello 3. \n"
    assert call("greet", "you", "--loud").stdout == "HELLO YOU. \n"
    assert json.loads(call("greet", "you", "--shown", "rows", "--json").stdout) == [{"who": "you", "times": 1}]
    assert call("greet", "you", "--shown", "file").stdout == "written to greeting.txt\n"
    assert call("greet", "you", "--shown", "none").stdout == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["greet", "you", "--times", "x"], "jamie.greet.times: expected a whole number, found 'x'\n"),
        (["greet", "you", "--shown", "row"], "jamie.greet.shown: expected one of .*\n  did you mean 'rows'"),
        (["greet"], "Missing argument 'WHO'"),
        (["greet", "you", "--time", "2"], "No such option.*--time"),
        (["greed", "you"], "No such command 'greed'"),
    ],
)
def test_what_is_wrong_is_said(call, words, message):
    done = call(*words)
    assert done.exit_code == 2
    assert "Traceback" not in done.output
    assert re.search(message, done.output)


def test_help_says_what_the_docstring_says(call):
    text = call("greet", "--help").stdout
    for words in ("Greet someone.", "Politely.", "Whom.", "How often. [1]", "--loud", "--json"):
        assert words in text


def test_names_of_jamies_own_commands_are_not_overridden(call):
    assert call("list", "loss").stdout.startswith("kind")
    assert "nothing" not in call("list", "loss").stdout


def test_every_command_of_jamie_is_taken():
    assert {command.name for command in app.registered_commands} - TAKEN == set()


def test_help_lists_what_distributions_announce_and_imports_nothing(monkeypatch):
    class Announced:
        name, value, dist = "greet", "jamie_greet:Greet", None

    found = importlib.metadata.entry_points
    monkeypatch.setattr(
        importlib.metadata,
        "entry_points",
        lambda group: [Announced] if group == "jamie.commands" else found(group=group),
    )
    assert "greet" in CliRunner().invoke(app, ["--help"]).stdout
    done = CliRunner().invoke(app, ["greet"])
    assert done.exit_code == 2
    assert "command 'greet' of jamie_greet:Greet could not be loaded\n  `jamie plugins` says why" in done.stderr
    code = "import sys, typer; from jamie.cli import app; typer.main.get_command(app).list_commands(None)"
    code += "; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
