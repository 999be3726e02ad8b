"""Rules that make two names of one cell agree, and the search for such a rule."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from jamie.core.correspondence import Correspondence
from jamie.core.errors import DataError

Rename = Callable[[str], str]
Names = Mapping[str, pd.Index]

_BARCODE = re.compile("[ACGTN]{8,}")
_COMPLEMENT = str.maketrans("ACGT", "TGCA")
_SEPARATORS = r"-_.:#|/ "  # between the parts of names
_PREFIX = re.compile(rf"^(?:.*[{_SEPARATORS}](?=[ACGTN]{{8}})|(?![ACGTN]{{8}})[^{_SEPARATORS}]+[{_SEPARATORS}]+)")
_SUFFIX = re.compile(rf"(?:(?<=[ACGTN]{{8}})[{_SEPARATORS}].*|[{_SEPARATORS}](?![ACGTN]{{8}})[A-Za-z0-9]+)$")
_WHOLE = re.compile(r"\d+(?:\.0*|(?:\.\d+)?[eE]\+?\d+)")
_PADDING = re.compile(r"(?<!\d)0+(?=\d)")


def _reverse_complement(name: str) -> str:
    return _BARCODE.sub(lambda found: found[0].translate(_COMPLEMENT)[::-1], name, count=1)


def _complement(positions: list[int]) -> Rename:
    def at_positions(found: re.Match[str]) -> str:
        bases = list(found[0])
        for k in (position - 1 for position in positions if position <= len(bases)):
            bases[k] = bases[k].translate(_COMPLEMENT)
        return "".join(bases)

    return lambda name: _BARCODE.sub(at_positions, name, count=1)


def _replace(given: Mapping[str, str]) -> Rename:
    def replaced(name: str) -> str:
        for old, new in given.items():
            name = name.replace(old, new)
        return name

    return replaced


def _number(name: str) -> str:
    return str(int(float(name))) if _WHOLE.fullmatch(name) else _PADDING.sub("", name)


# By the parameter of `by_name`, in the order in which they are applied.
RULES: Mapping[str, Callable[[Any], Rename]] = {
    "strip_spaces": lambda _: str.strip,
    "ignore_case": lambda _: str.casefold,
    "numbers": lambda _: _number,
    "replace": _replace,
    "strip_prefix": lambda _: lambda name: _PREFIX.sub("", name),
    "strip_suffix": lambda _: lambda name: _SUFFIX.sub("", name),
    "reverse_complement": lambda _: _reverse_complement,
    "complement": _complement,
}
_SIMPLE = ("strip_spaces", "ignore_case", "numbers")  # they change a name the least and are tried first
MIN_SHARE = 0.1  # of the smaller modality's cells; fewer may agree by chance
MIN_GAIN = 1.02  # factor by which a later rule must match more to be preferred
MAX_NAMES = 20_000  # of a modality; of more, a random sample is searched for rules
_FIRST_NAMES = 200  # that show which separators are used


@dataclass(frozen=True)
class NameMatch:
    """Cells of two modalities whose names agree.

    Parameters
    ----------
    pairs : (n_a, n_b)
        Which cell is which.
    collision
        Why a rule cannot be applied that would match more; empty where it can.
    """

    pairs: Correspondence
    collision: str = ""


def match_names(a: pd.Index, b: pd.Index, rules: Mapping[str, Any]) -> NameMatch:
    """Match equal names, once rules have been applied to those of a, of b, or of both: whichever matches most.

    So a rule need not say which modality deviates, and one that is its own inverse, such as the reverse complement,
    matches in either direction. The other ways match the cells that are left, where these are many: samples may be
    named differently, but a few names that agree in another way do so by chance. A rule is not applied to names of
    which it would make two alike.
    """
    plain = [pd.Index(side.astype(str), dtype=object) for side in (a, b)]
    ways = [(plain[0], plain[1])]
    if rules:
        new = [_renamed(side, rules) for side in plain]
        ways += [(new[0], plain[1]), (plain[0], new[1]), (new[0], new[1])]
    usable = [way for way in ways if all(side.is_unique for side in way)]
    found = sorted((Correspondence.from_names(*way) for way in usable), key=lambda matched: -matched.n_pairs)
    pairs = found[0]
    for other in found[1:]:
        combined = other.updated_with(pairs)
        if combined.n_pairs - pairs.n_pairs >= max(1, MIN_SHARE * min(len(a), len(b))):
            pairs = combined
    for way in ways:
        if not all(side.is_unique for side in way) and len(set(way[0]) & set(way[1])) > pairs.n_pairs:
            old, side = next((o, s) for o, s in zip(plain, way, strict=True) if not s.is_unique)
            return NameMatch(pairs, _collision(old, side))
    return NameMatch(pairs)


def require_unique(match: NameMatch, a: str, b: str) -> Correspondence:
    """Return the pairs.

    Raises
    ------
    DataError
        Where a rule would match more, but gives cells of one modality the same name.
    """
    if match.collision:
        raise DataError(
            f"expected rules that keep the names of a modality apart, found {match.collision}",
            where=f"pairing 'by_name', modalities '{a}' and '{b}'",
            fix="name the sample in the same way in both, or list the pairs: "
            "correspondence.known: {table: {path: pairs.csv}}",
        )
    return match.pairs


@dataclass(frozen=True)
class Hint:
    """A rule that would make names agree.

    Parameters
    ----------
    rules
        Parameters of `by_name`.
    matched
        Pairs that it would give, by modalities.
    example
        Two names of one cell.
    """

    rules: Mapping[str, Any]
    matched: Mapping[tuple[str, str], int]
    example: tuple[str, str]

    def to_text(self, sizes: Mapping[str, int], also: Mapping[str, Any]) -> str:
        """Say what to write, beside the parameters that are there already, and what it would match."""
        written = ", ".join(f"{name}: {_yaml(value)}" for name, value in {**also, **self.rules}.items())
        counts = "; ".join(
            f"{n} of {sizes[a]} cells of '{a}' and {n} of {sizes[b]} of '{b}'"
            for (a, b), n in self.matched.items()
            if n
        )
        first, second = self.example
        return f"correspondence.known: {{by_name: {{{written}}}}} matches {counts}, such as '{first}' and '{second}'"


def find_rule(cells: Names, given: Mapping[str, Any], *, thorough: bool) -> Hint | None:
    """Find the rule that would match the most cells, the first of equals; None where none matches many more.

    Parameters
    ----------
    cells
        Names of each modality's cells.
    given
        Rules that are applied already.
    thorough
        Try every two rules together as well, where one alone does not match most.
    """
    rules = _most_matching(cells, given, 2 if thorough else 1)
    now, found = _matched(cells, given), _matched(cells, {**given, **rules})
    gains = {pair: found[pair].n_pairs - now[pair].n_pairs for pair in found}
    pair = max(gains, key=lambda pair: gains[pair])
    if gains[pair] < max(2, MIN_SHARE * min(len(cells[m]) for m in pair)):
        return None
    rows, columns = found[pair].without(now[pair]).pairs()
    example = str(cells[pair[0]][rows[0]]), str(cells[pair[1]][columns[0]])
    return Hint({**given, **rules}, {pair: matched.n_pairs for pair, matched in found.items()}, example)


def _most_matching(cells: Names, given: Mapping[str, Any], most_rules: int) -> dict[str, Any]:
    """Return the rules that match the most of a random sample of each modality's names; none where none helps."""
    generator = np.random.default_rng(0)
    few = {
        m: names if len(names) <= MAX_NAMES else names[np.sort(generator.choice(len(names), MAX_NAMES, replace=False))]
        for m, names in cells.items()
    }
    share = {m: len(few[m]) / len(cells[m]) for m in cells}
    can_match = sum(share[a] * share[b] * min(len(cells[a]), len(cells[b])) for a, b in combinations(cells, 2))
    best: dict[str, Any] = {}
    most = sum(matched.n_pairs for matched in _matched(few, given).values())
    for number in range(1, most_rules + 1):
        for rules in _candidates(few, number):
            n = sum(matched.n_pairs for matched in _matched(few, {**given, **rules}).values())
            if n > MIN_GAIN * most and not _only_counts(few, rules):
                best, most = rules, n
        if most > can_match / 2:
            break
    return best


def _only_counts(cells: Names, rules: Mapping[str, Any]) -> bool:
    """Whether rules leave nothing but numbers, which may count rows, of names that hold more."""
    return any(
        _renamed(names[:_FIRST_NAMES], rules).str.isdigit().all()
        and not names[:_FIRST_NAMES].str[0].str.isdigit().all()
        for names in cells.values()
    )


def _matched(cells: Names, rules: Mapping[str, Any]) -> dict[tuple[str, str], Correspondence]:
    return {(a, b): match_names(cells[a], cells[b], rules).pairs for a, b in combinations(cells, 2)}


def _candidates(cells: Names, number: int) -> Iterator[dict[str, Any]]:
    """Yield rules that may match, those first that change names the least."""
    used = {
        sign for names in cells.values() for name in names[:_FIRST_NAMES] for sign in str(name) if sign in _SEPARATORS
    }
    single: list[dict[str, Any]] = [{name: True} for name in _SIMPLE]
    single += [
        {"replace": {old: new}} for new in _SEPARATORS for old in _SEPARATORS if {old, new} <= used and old != new
    ]
    single += [{"reverse_complement": True}, {"complement": [8, 9]}, {"strip_suffix": True}, {"strip_prefix": True}]
    yield from single if number == 1 else ({**first, **second} for first, second in combinations(single, 2))


def _renamed(names: pd.Index, rules: Mapping[str, Any]) -> pd.Index:
    for rule, build in RULES.items():
        if rules.get(rule):
            names = pd.Index([*map(build(rules[rule]), names)], dtype=object)
    return names


def _collision(old: pd.Index, new: pd.Index) -> str:
    repeated = new.duplicated(keep=False)
    shared = new[repeated][0]
    first, second = old[new == shared][:2]
    n = int(repeated.sum())
    return f"{n} cells that would share theirs with another, such as '{first}' and '{second}' ('{shared}')"


def _yaml(value: Any) -> str:
    """Write a parameter on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"'{old}': '{new}'" for old, new in value.items()) + "}"
    return str(value).lower() if isinstance(value, bool) else str(value)
