"""Commands that break their contract."""

from pathlib import Path

import jamie


class Sound(jamie.Command):
    """Writes a word."""

    def _run(self, context):
        path = Path("word.txt")
        path.write_text("word")
        return path


class Run(Sound):
    """Has a name that is taken."""


class Quiet(Sound):
    """Has an option that is taken.

    Parameters
    ----------
    quiet
        How quiet.
    """

    def __init__(self, *, quiet: float = 1.0) -> None:
        self.quiet = quiet


class Answers(Sound):
    """Returns a number."""

    def _run(self, context):
        return 42


class Promises(Sound):
    """Returns a file that is not there."""

    def _run(self, context):
        return Path("word.txt")


class Stumbles(Sound):
    """Divides by nothing."""

    def _run(self, context):
        return str(1 / 0)


BROKEN = {
    "check_name_is_free": [(Run, "command 'run': a name that jamie has not: expected another name, found run")],
    "check_options_are_free": [(Quiet, "expected other names, found .'quiet'")],
    "check_shows_something_known": [
        (Answers, "expected _run to return text, files or rows, found int"),
        (Promises, "it wrote the files that it returns: expected files, found .'word.txt'"),
        (Stumbles, "it runs: expected a result or a JamieError, found ZeroDivisionError"),
    ],
}
