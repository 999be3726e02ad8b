"""A new component, as a file or as a distribution of its own."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

from jamie.builtins import load_registry
from jamie.core.errors import OutputError, SpecError
from jamie.core.interfaces.command import TAKEN
from jamie.spec.describe import require_kind

TEMPLATES = Path(__file__).parents[1] / "testing" / "templates"

PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "{distribution}"
version = "0.1.0"
description = "A component of jamie: the {kind} '{name}'"
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["jamie-toolkit"]

[project.optional-dependencies]
test = ["pytest>=8.2"]

[project.entry-points.jamie]
{distribution} = "{package}"
{command}
[tool.hatch.build.targets.wheel]
packages = ["{package}"]
"""
COMMAND = """
[project.entry-points."jamie.commands"]
{name} = "{package}"
"""
README = """\
# {distribution}

Adds the {kind} `{name}` to jamie.

    pip install ./{distribution}
    jamie show {kind} {name}

`{package}/{name}.py` holds the component. Its contract is checked by

    pip install "./{distribution}[test]"
    pytest {distribution}
"""
PACKAGE = '''\
"""The {kind} `{name}`, offered to jamie through its one hook."""

from {package}.{name} import {class_name}

__all__ = ["{class_name}", "jamie_components"]


def jamie_components() -> list[type]:
    """Return the components of this distribution."""
    return [{class_name}]
'''
TEST = '''\
"""The components of this distribution keep the contracts of their kinds."""

import {package}
from jamie.testing import parametrize_with_checks


@parametrize_with_checks({package}.jamie_components())
def test_contract(component, check):
    check(component)
'''


def new_component(kind: str, name: str, folder: Path, *, distribution: bool = False) -> list[Path]:
    """Write a component that works and keeps its contract, to be changed into one's own.

    Parameters
    ----------
    kind
        Such as ``loss``.
    name
        A word of small letters, digits and ``_`` that no component of this kind has.
    folder
        Where the file, or the folder of the distribution, is written.
    distribution
        Whether to write a distribution, with metadata and tests, in place of one file.

    Returns
    -------
    list of Path
        The files, or the folder of the distribution.

    Raises
    ------
    SpecError
        Where there is no such kind, or the name will not do.
    OutputError
        Where it exists already.
    """
    require_kind(kind)
    _require_name(kind, name)
    class_name = "".join(part.capitalize() for part in name.split("_"))
    source = (TEMPLATES / f"{kind}.py").read_text(encoding="utf-8")
    source = source.replace("class Example(", f"class {class_name}(").replace('"example', f'"{name}')
    if not distribution:
        return _write(folder, {f"{name}.py": source})[0:1]
    values = {
        "kind": kind.replace("_", " "),
        "name": name,
        "class_name": class_name,
        "distribution": f"jamie-{name.replace('_', '-')}",
        "package": f"jamie_{name}",
    }
    command = COMMAND.format(**values) if kind == "command" else ""
    files = {
        "pyproject.toml": PYPROJECT.format(**values, command=command),
        "README.md": README.format(**values | {"kind": kind}),
        f"{values['package']}/__init__.py": PACKAGE.format(**values),
        f"{values['package']}/{name}.py": source,
        "tests/contracts/test_contracts.py": TEST.format(**values),
    }
    top = folder / values["distribution"]
    if top.exists():
        raise OutputError("it exists already", where=str(top), fix="choose another name, or remove it")
    _write(top, files)
    return [top]


def _require_name(kind: str, name: str) -> None:
    where = f"jamie new {kind} {name}"
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or keyword.iskeyword(name):
        problem = f"expected a name of small letters, digits and single _ between them, found '{name}'"
        better = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()).strip("_0123456789")
        raise SpecError(
            problem,
            where=where,
            fix=f"such as {better}_{kind}" if not better or keyword.iskeyword(better) else f"such as {better}",
        )
    if kind == "command" and name in TAKEN:
        raise SpecError(f"jamie has a command '{name}' of its own", where=where, fix="choose another name")
    registry = load_registry()
    known = registry.get(kind, name)
    if known is not None:
        provider = registry.provider(known).name
        raise SpecError(f"there is a {kind} '{name}' already, of {provider}", where=where, fix="choose another name")


def _write(folder: Path, files: dict[str, str]) -> list[Path]:
    """Write files that do not exist yet."""
    paths = [folder / name for name in files]
    for path in paths:
        if path.exists():
            raise OutputError("it exists already", where=str(path), fix="choose another name, or remove it")
    try:
        for path, text in zip(paths, files.values(), strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"it cannot be written: {error.strerror}", where=str(folder), fix="choose another --out"
        ) from error
    return paths
