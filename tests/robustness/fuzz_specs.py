"""Specs that are mutated at random: each is accepted or refused with a short message, never anything else.

    python tests/robustness/fuzz_specs.py 100000 [SEED]

The specs are those of `specs/` and the presets; a mutation replaces, removes, renames or moves settings, or damages the
text. Nothing is run: a spec is read and checked, as `jamie validate` does.
"""

import copy
import random
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import yaml

from jamie.core.errors import JamieError
from jamie.spec.sweep import expand

SPECS = Path(__file__).parents[2] / "specs"
SECONDS = 5  # of processor time, which hardly depends on what else runs on the machine
MOST_BYTES = 4096  # of a message
OTHERS = (
    "data: {table: {paths: {rna: a.csv, atac: b.npz}, transpose: true}}\nmodalities: {rna: {layer: raw}}\n",
    "data: {tenx: {path: b.h5}}\nsweep: {seed: [0, 1], training.batch_size: [16, 32]}\n",
    "data: simulate_pairs\nevaluate: {seeds: [0, 1], holdout: {folds: 3}}\nextends: other.yaml\npreset: fast\n",
    "data: simulate_branch\nplugins: [mine.py]\nlosses: {kl: {weight: 2, schedule: {sigmoid: {}}}}\nexplain: [shap]\n",
)
BASES = (*(path.read_text() for path in sorted(SPECS.rglob("*.yaml"))), *OTHERS)  # what is mutated
WORDS = ("", "~nosuchuser", "~nosuchuser/a.h5mu", "a" * 300, "a/" * 5000, "a\0b", "..", ".", "*", "null")
NUMBERS = (-1, 0, 1, 0.5, -0.0, 2**31, 2**63, 2**64, 10**18, 1e18, 1e-320, 1e308, 10**5000, 100_000_000)
TEXTS = (".inf", "-.inf", ".nan", "1e999", "0x" + "f" * 4000, "0o7", "1" * 5000, "!!python/object:os.system", "&a [*a]")
DAMAGE = (*"\0\ufeff\t{}[]:#'\"é\r%", "\x1b[31m", "- ", "&a ", "*a", "<<: ")


def nested(depth, leaf, as_list):
    """Return a value so many lists, or mappings, deep."""
    for _ in range(depth):
        leaf = [leaf] if as_list else {"a": leaf}
    return leaf


def odd_value(generator):
    """Draw a value that a setting rarely has."""
    draw = generator.random()
    if draw < 0.35:
        return generator.choice(NUMBERS)
    if draw < 0.6:
        return generator.choice(WORDS)
    if draw < 0.7:
        return generator.choice([None, True, False, [], {}, [[]], [None], {"": None}])
    if draw < 0.8:
        return nested(generator.choice([2, 30, 900]), generator.choice(NUMBERS[:4]), generator.random() < 0.7)
    if draw < 0.9:
        return [generator.choice(NUMBERS + WORDS) for _ in range(generator.choice([2, 12, 2000]))]
    return {f"key{i}": generator.choice(NUMBERS + WORDS) for i in range(generator.choice([1, 3, 1000]))}


def places(tree, path=()):
    """All places of a tree, by their keys."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [place for key, value in items for place in [(*path, key), *places(value, (*path, key))]]


def holder(tree, place):
    """Return the mapping or list that holds a place."""
    for key in place[:-1]:
        tree = tree[key]
    return tree


def mutate_tree(tree, generator):
    """Change one setting, in place."""
    found = places(tree)
    if not found:
        return odd_value(generator)
    place = generator.choice(found)
    within, key = holder(tree, place), place[-1]
    action = generator.choice(["replace", "replace", "replace", "remove", "rename", "move", "wrap", "repeat"])
    if action == "replace":
        within[key] = odd_value(generator)
    elif action == "remove":
        del within[key]
    elif action == "rename" and isinstance(within, dict):
        other = generator.choice([str(key)[:-1], str(key) * 2, f"{key}.{key}", "seed", "*", "a" * 500])
        within[other] = within.pop(key)
    elif action == "move":
        other = generator.choice([other for other in found if place[: len(other)] != other] or [place])
        within[key] = copy.deepcopy(holder(tree, other)[other[-1]]) if other != place else None
    elif action == "wrap":
        within[key] = [within[key]] if generator.random() < 0.5 else {str(key): within[key]}
    else:
        within[key] = [copy.deepcopy(within[key]) for _ in range(generator.choice([2, 50]))]
    return tree


def mutate_text(text, generator):
    """Damage some characters."""
    for _ in range(generator.choice([1, 1, 2, 5])):
        at = generator.randrange(len(text) + 1)
        more = generator.choice(DAMAGE + TEXTS)
        before, after = text[:at], text[at:]
        text = generator.choice([before + more + after, before + after[1:], before, before + more + after[4:]])
    return text


@contextmanager
def deep_recursion():
    """Let the functions of this file go as deep as what they write, and nothing else."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


@deep_recursion()
def mutated(generator):
    """Draw the bytes of a spec."""
    text = generator.choice(BASES)
    if generator.random() < 0.7:
        tree = yaml.safe_load(text)
        for _ in range(generator.choice([1, 1, 1, 2, 3])):
            tree = mutate_tree(tree, generator)
        return dump(tree).encode()
    content = mutate_text(text, generator).encode()
    if generator.random() < 0.1:
        at = generator.randrange(len(content) + 1)
        content = content[:at] + bytes([generator.randrange(256)]) + content[at:]
    return content


def dump(tree):
    """Write a tree as YAML in one line for each section, however deep it is."""
    lines = [f"{flow(k)}: {flow(v)}" for k, v in tree.items()] if isinstance(tree, dict) else []
    return "\n".join(lines) or flow(tree)


def flow(value):
    """Write a value in the style of JSON, which YAML reads."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{flow(k)}: {flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str):
        return '"' + "".join(c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in value) + '"'
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return digits(value) if isinstance(value, int) else repr(value)


def digits(number):
    """Write a whole number of any length."""
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        return str(number)
    finally:
        sys.set_int_max_str_digits(limit)


def answer(path):
    """Read a spec; return what is wrong with the answer, empty if nothing is, and whether it was accepted."""
    try:
        expand(path)
    except JamieError as error:
        size = len(str(error).encode(errors="surrogateescape"))
        return (f"message of more than {MOST_BYTES} bytes" if size > MOST_BYTES else ""), False
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} in {Path(last.filename).name}:{last.lineno}: {str(error)[:100]}", False
    return "", True


def fuzz(n, seed, folder, answer=answer):
    """Read `n` mutated specs; return how often each wrong answer came, its first spec, how many were accepted."""
    generator = random.Random(seed)
    found, first, accepted = Counter(), {}, 0
    path = Path(folder) / "spec.yaml"
    for _ in range(n):
        content = mutated(generator)
        path.write_bytes(content)
        wrong, taken = answer(path)
        accepted += taken
        if wrong:
            found[wrong] += 1
            first.setdefault(wrong, content)
    return found, first, accepted


class TooSlowError(BaseException):
    """A spec that was not answered in time."""


def answer_in_time(path):
    """Return the answer to a spec, or that it took too long."""

    def stop(*_):
        raise TooSlowError

    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        return answer(path)
    except TooSlowError as error:
        last = [frame for frame in traceback.extract_tb(error.__traceback__) if "jamie" in frame.filename][-1]
        return f"no answer within {SECONDS} s, in {Path(last.filename).name}:{last.lineno}", False
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def main():
    """Fuzz at size; print each wrong answer and keep its first spec in a folder."""
    n, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    started = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="fuzz_specs_"))
    found, first, accepted = fuzz(n, seed, folder, answer_in_time)
    for i, (wrong, count) in enumerate(found.most_common()):
        (folder / f"wrong_{i}.yaml").write_bytes(first[wrong])
        print(f"{count:6d}  {wrong}  ({folder}/wrong_{i}.yaml)")
    print(f"{n} specs, {accepted} accepted, {sum(found.values())} wrong answers, {time.monotonic() - started:.0f} s")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
