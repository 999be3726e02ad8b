"""What is shown while a run goes on."""

import io
import logging

import pytest
from rich.console import Console

from jamie.console.progress import _Bars, display_progress


def test_a_bar_is_one_line_of_a_narrow_terminal_and_the_losses_give_way():
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    bars = _Bars(console)
    bars("training", 1234, 10_000, dict.fromkeys(("loss", "kl", "combination", "reconstruction"), 123.4567))
    bars.close()
    shown = Console(file=io.StringIO(), width=80, color_system=None)
    shown.print(bars._progress.get_renderable())
    (line,) = shown.file.getvalue().splitlines()
    assert line.startswith("training ")
    assert " 1234/10000 " in line
    assert "loss 123.5" in line
    assert line.rstrip().endswith("…")


@pytest.mark.parametrize("quiet", [False, True])
def test_warnings_in_a_log_say_that_they_are(capsys, quiet):
    with display_progress(quiet=quiet):
        logging.getLogger("jamie.test").info("read")
        logging.getLogger("jamie.test").warning("10 cells dropped")
    assert capsys.readouterr().err == ("" if quiet else "read\n") + "WARNING: 10 cells dropped\n"
