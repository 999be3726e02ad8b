"""A sample of what `fuzz_runs.py` does by hand at size."""

import runpy
from pathlib import Path

FUZZER = runpy.run_path(str(Path(__file__).with_name("fuzz_runs.py")))
QUICK = ("evaluate", "transfer", "compare", "embed")


def test_damaged_run_directories_are_answered():
    commands = tuple(command for command in FUZZER["COMMANDS"] if command[0] in QUICK)
    answered = list(FUZZER["answers"](24, 3, commands))
    assert len(answered) == 24
    assert [answer for answer in answered if answer.exit_code not in (0, 2)] == []
    assert any(answer.exit_code == 2 for answer in answered)
