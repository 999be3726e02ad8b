"""Words with which a component declares what it reads, beside what its kind is always given (`requires`)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

OBS, OBSM, LAYER, UNS, VAR = KEYED = "obs", "obsm", "layer", "uns", "var"
"""Words with a key after a colon, such as ``obsm:spatial``: what of each modality is read."""

LINKS, LABELS, BATCH, INDEX = PLAIN = "links", "labels", "batch", "index"
"""Words that stand alone."""

DATA_WORDS: Final = frozenset((*KEYED, *PLAIN))


def split_word(word: str) -> tuple[str, str]:
    """Return the first part of a word, and its key, empty where it has none: ``("obsm", "spatial")``."""
    first, _, key = word.partition(":")
    return first, key


def keys_of(words: Iterable[str], first: str) -> list[str]:
    """Return the keys of the words that start with `first`, in their order."""
    return [key for part, key in map(split_word, words) if part == first and key]


def describe(word: str) -> str:
    """Say in words what a word stands for."""
    first, key = split_word(word)
    kinds = {OBS: "column '{}' of obs", OBSM: "obsm '{}'", LAYER: "layer '{}'", UNS: "uns '{}'"}
    plain = {
        LINKS: "linked features",
        LABELS: "labels for training",
        BATCH: "the cells' batches",
        INDEX: "the cells' numbers",
    }
    if first == LABELS and key:
        return f"labels '{key}' for training"
    return kinds.get(first, "column '{}' of var").format(key) if first in KEYED else plain.get(word, f"'{word}'")


def problem_of_words(words: object, kind: str, allowed: Collection[str]) -> str:
    """Say what is wrong with the words of a component; empty where nothing is.

    Parameters
    ----------
    words
        What it declares.
    kind
        Of the component.
    allowed
        First parts of the words that this kind may use.
    """
    if not isinstance(words, tuple | list | set | frozenset) or not all(isinstance(word, str) for word in words):
        return f"expected `requires` to hold words, such as ('obsm:spatial',), found {words!r}"
    for word in words:
        first, key = split_word(word)
        if first not in allowed:
            known = ", ".join(sorted(f"{one}:KEY" if one in KEYED else one for one in allowed)) or "none"
            return f"found '{word}' in `requires`, which a {kind} cannot be given; it may name: {known}"
        if (first in KEYED) != bool(key):
            wanted = f"'{first}:KEY'" if first in KEYED else f"'{first}'"
            return f"expected {wanted} in `requires`, found '{word}'"
    return ""
