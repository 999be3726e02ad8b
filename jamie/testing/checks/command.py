"""Commands, run in an empty folder."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from jamie.core.context import Context
from jamie.core.errors import JamieError
from jamie.core.interfaces import Command
from jamie.core.interfaces.command import OPTIONS, TAKEN
from jamie.core.schema import fields_of
from jamie.testing.assertions import build, require


def check_name_is_free(component: type[Command]) -> None:
    """It has the name of no command of jamie's own, which would never give way to it."""
    free = component.name not in TAKEN
    require(free, component, "a name that jamie has not", expected="another name", found=component.name)


def check_options_are_free(component: type[Command]) -> None:
    """No parameter has the name of an option that every command has."""
    taken = sorted(OPTIONS & fields_of(component).keys())
    require(not taken, component, "parameters beside --json and the like", expected="other names", found=taken)


def check_shows_something_known(component: type[Command]) -> None:
    """It returns text, files that exist, rows or nothing; what it cannot do is a `JamieError`."""
    command = build(component)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        try:
            shown = command.run(Context())
        except JamieError:
            raise
        except Exception as error:
            found = f"{type(error).__name__}: {error}"
            require(False, component, "it runs", expected="a result or a JamieError", found=found)
        items = shown if isinstance(shown, list) else [shown]
        absent = [str(one) for one in items if isinstance(one, Path) and not one.exists()]
        require(not absent, component, "it wrote the files that it returns", expected="files", found=absent)
