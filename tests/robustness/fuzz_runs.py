"""Damaged run directories: every command answers, with a result or an error that names what is wrong.

By hand at size::

    python tests/robustness/fuzz_runs.py --size 250 --seed 0
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

from jamie.cli import app
from jamie.testing.toy_run import copied_run

ODD_VALUES = (None, True, -1, 10**30, 1e308, "", "x" * 50, [], {}, [[]], {"a": {}}, ["rna"], float("nan"), "NaN")
COMMANDS = (
    ("evaluate", "{run}"),
    ("report", "{run}"),
    ("report", "{run}", "--out", "{out}/page.html"),
    ("transfer", "{run}", "--label", "cell_type"),
    ("explain", "{run}", "shap", "--set", "features=1"),
    ("embed", "{run}", "{data}", "--out", "{out}/embedded.h5mu"),
    ("impute", "{run}", "{data}", "--source", "rna", "--to", "atac", "--out", "{out}/imputed.h5ad"),
    ("compare", "{run}", "{run}", "--out", "{out}/compared"),
    ("run", "{run}/spec.resolved.yaml", "--out", "{run}", "--resume"),
)


@dataclass(frozen=True)
class Answer:
    """What a command said of a damaged run.

    Parameters
    ----------
    damage
        What was done to which file.
    command
        The command.
    exit_code
        Its exit code; 1 is what must not be.
    message
        The end of what it said.
    """

    damage: str
    command: str
    exit_code: int
    message: str


def answers(size: int, seed: int, commands: tuple[tuple[str, ...], ...] = COMMANDS) -> Iterator[Answer]:
    """Damage `size` copies of a small run, and call one command on each."""
    draw, whole = random.Random(seed), copied_run()
    data = whole.parent / "toy.h5mu"
    _write_data(data)
    for i in range(size):
        with tempfile.TemporaryDirectory() as folder:
            run = Path(shutil.copytree(whole, Path(folder) / "run"))
            damage = damage_run(run, draw)
            names = {"run": run, "out": folder, "data": data}
            command = [part.format(**names) for part in commands[i % len(commands)]]
            done = CliRunner().invoke(app, command)
            yield Answer(damage, command[0], done.exit_code, done.stderr[-600:])


def damage_run(run: Path, draw: random.Random) -> str:
    """Damage one file of a run, and say how."""
    files = sorted(path for path in run.rglob("*") if path.is_file())
    path = draw.choice(files)
    ways: list[Callable[[Path, random.Random], str]] = [_cut, _empty, _remove, _flip, _make_folder]
    if path.suffix == ".json":
        ways = [*ways, *[_odd_json] * 5]
    how = draw.choice(ways)(path, draw)
    return f"{path.relative_to(run)}: {how}"


def _cut(path: Path, draw: random.Random) -> str:
    content = path.read_bytes()
    path.write_bytes(content[: draw.randrange(len(content) + 1)])
    return "cut"


def _empty(path: Path, _: random.Random) -> str:
    path.write_bytes(b"")
    return "emptied"


def _remove(path: Path, _: random.Random) -> str:
    path.unlink()
    return "removed"


def _flip(path: Path, draw: random.Random) -> str:
    content = bytearray(path.read_bytes())
    for _ in range(draw.choice((1, 8, 64)) if content else 0):
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    path.write_bytes(content)
    return "bits flipped"


def _make_folder(path: Path, _: random.Random) -> str:
    path.unlink()
    path.mkdir()
    return "made a folder"


def _odd_json(path: Path, draw: random.Random) -> str:
    """Put a value of another type in some place, or take one away."""
    content = json.loads(path.read_text(encoding="utf-8"))
    places = [(None, None), *_places(content)]
    holder, key = draw.choice(places)
    value = draw.choice((*ODD_VALUES, ...))
    if holder is None:
        content = None if value is ... else value
    elif value is ...:
        del holder[key]
    else:
        holder[key] = value
    path.write_text(json.dumps(content), encoding="utf-8")
    return f"{key!r} is {value!r}"


def _places(content: object) -> Iterator[tuple[dict | list, object]]:
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in items:
        yield content, key
        yield from _places(value)


def _write_data(path: Path) -> None:
    from jamie.data.assemble import mudata_conventions
    from jamie.testing import toy

    with mudata_conventions():
        toy.mudata().write(path)


def main() -> int:
    """Print how many answers there are of each exit code, and those that are unexpected."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=250)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    codes: Counter[int] = Counter()
    for answer in answers(arguments.size, arguments.seed):
        codes[answer.exit_code] += 1
        if answer.exit_code not in (0, 2):
            print(f"{answer.command}, {answer.damage}\n    {answer.message}", flush=True)
    print(dict(codes))
    return 0 if set(codes) <= {0, 2} else 1


if __name__ == "__main__":
    sys.exit(main())
