"""Where things stand in a spec, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jamie.core.errors import MOST_BYTES, SpecError, shorten

MOST_PROBLEMS = 10  # in the message of one error
_LENGTHS = {"key": 150, "message": 400, "hint": 800}  # in bytes
_WIDTH = 160  # of a line that is shown


@dataclass(frozen=True)
class Source:
    """A text that settings come from: a file, one ``--set``, or Python.

    Parameters
    ----------
    name
        As shown in messages; empty for Python.
    folders
        Where relative paths are looked up, in this order.
    lines
        Of a file; empty otherwise.
    numbered
        Whether its lines have numbers for the user, who does not see those of a preset.
    """

    name: str = ""
    folders: tuple[Path, ...] = ()
    lines: tuple[str, ...] = ()
    numbered: bool = True

    @property
    def is_preset(self) -> bool:
        """Whether it is a preset, which no user has written."""
        return not self.numbered


@dataclass(frozen=True)
class Mark:
    """A stretch of a source.

    Parameters
    ----------
    source
        The source.
    line, column
        Counted from 1; 0 where the source has no lines.
    length
        Number of characters, within the line.
    """

    source: Source = field(default_factory=Source)
    line: int = 0
    column: int = 0
    length: int = 1

    @property
    def place(self) -> str:
        """``spec.yaml:12:35``; the source's name where it has no lines."""
        is_numbered = self.source.lines and self.source.numbered
        return f"{self.source.name}:{self.line}:{self.column}" if is_numbered else self.source.name

    def snippet(self) -> str:
        """Return the source's line with carets under the stretch; empty where there are no lines."""
        if not 0 < self.line <= len(self.source.lines):
            return ""
        text = self.source.lines[self.line - 1]
        gutter = f"{self.line:>5} | "
        start = 0 if len(text) <= _WIDTH else max(0, self.column - 1 - _WIDTH // 2)
        text = text[start : start + _WIDTH]
        column = self.column - start
        # tabs are repeated below, so that the carets stay under the text at any tab width
        indent = "".join("\t" if c == "\t" else " " for c in text[: column - 1])
        carets = "^" * max(1, min(self.length, len(text) - column + 1))
        return f"{gutter}{text}\n{'|':>{len(gutter) - 1}} {indent}{carets}"


@dataclass(frozen=True)
class SpecProblem:
    """One thing that is wrong with a spec.

    Parameters
    ----------
    mark
        Where it stands.
    key
        The dotted key.
    message
        What was expected and what was found.
    hints
        What to do about it, each on a line of its own.
    """

    mark: Mark
    key: str
    message: str
    hints: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values; line and column are null where there are no lines."""
        return {
            "source": self.mark.source.name,
            "line": self.mark.line or None,
            "column": self.mark.column or None,
            "key": self.key,
            "message": self.message,
            "hints": list(self.hints),
        }

    def __str__(self) -> str:
        place = f"{self.mark.place}  " if self.mark.place else ""
        head = f"{place}{self.key}: {self.message}" if self.key else f"{place}{self.message}"
        snippet = self.mark.snippet()
        return "\n".join([head, *([snippet] if snippet else []), *(f"  {hint}" for hint in self.hints if hint)])


def spec_error(problems: Iterable[SpecProblem]) -> SpecError:
    """Return all problems as one error, in line order; what `"*"` has wrong is not repeated for each modality."""
    once: dict[object, SpecProblem] = {}
    for problem in problems:
        once.setdefault((problem.mark, problem.message) if problem.mark.line else problem, problem)
    ordered = [
        _shortened(one) for one in sorted(once.values(), key=lambda p: (p.mark.source.name, p.mark.line, p.mark.column))
    ]
    return SpecError(_joined(list(map(str, ordered[:MOST_PROBLEMS])), len(ordered)), problems=tuple(ordered))


def _shortened(problem: SpecProblem) -> SpecProblem:
    """Return a problem whose every part is short enough to be read."""
    key, message = shorten(problem.key, _LENGTHS["key"]), shorten(problem.message, _LENGTHS["message"])
    return replace(problem, key=key, message=message, hints=tuple(shorten(h, _LENGTHS["hint"]) for h in problem.hints))


def _joined(texts: list[str], n: int) -> str:
    """Join as many of the first of `n` problems as fit into a message, and say how many are left."""
    shown: list[str] = []
    for text in texts:
        if len("\n".join([*shown, text]).encode(errors="backslashreplace")) > MOST_BYTES - 100 and shown:
            break
        shown.append(text)
    more = n - len(shown)
    return "\n".join([*shown, *([f"and {more} more problem{'s' if more > 1 else ''}"] if more else [])])
