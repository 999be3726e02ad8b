import math

import numpy as np
import pytest

from jamie.core.errors import SpecError
from jamie.spec.node import Node, node_of
from jamie.spec.problem import Mark, Source
from jamie.spec.yaml_tree import parse_yaml


def parse(text):
    return parse_yaml(text, Source("spec.yaml", (), tuple(text.splitlines())))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E5", 1e5),
        (".5", 0.5),
        ("-.inf", -math.inf),
        ("0o17", 15),
        ("0x1f", 31),
        ("-12", -12),
        ("017", 17),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("1_000", "1_000"),
        ("2020-01-01", "2020-01-01"),
        ("12:30", "12:30"),
        ("'1'", "1"),
        ("'no'", "no"),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text, value):
    found = parse(f"key: {text}").to_plain()["key"]
    assert found == value
    assert type(found) is type(value)


def test_not_a_number_is_read():
    assert math.isnan(parse("key: .nan").to_plain()["key"])


def test_every_key_and_value_knows_its_place():
    tree = parse("a: 1\nb: {c: [x, 'long text']}\n")
    b = tree.value["b"]
    item = b.value["c"].value[1]
    assert (b.keys["c"].line, b.keys["c"].column, b.keys["c"].length) == (2, 5, 1)
    assert (item.mark.line, item.mark.column, item.mark.length) == (2, 12, 11)
    assert item.mark.place == "spec.yaml:2:12"


def test_carets_stand_under_the_value():
    item = parse("b: {c: [x, 'long text']}").value["b"].value["c"].value[1]
    line, carets = item.mark.snippet().splitlines()
    assert line == "    1 | b: {c: [x, 'long text']}"
    assert line[carets.index("^") : carets.rindex("^") + 1] == "'long text'"


def test_a_value_of_several_lines_is_underlined_in_its_first():
    mark = parse("a:\n  b: 1\n  c: 2\n").value["a"].mark
    assert (mark.line, mark.column, mark.length) == (2, 3, 4)


def test_duplicate_keys_are_all_reported():
    with pytest.raises(SpecError, match=r"spec.yaml:2:1  key 'a' is given twice, first in line 1") as caught:
        parse("a: 1\na: 2\nb: {c: 1, c: 2}\n")
    assert [p.mark.line for p in caught.value.problems] == [2, 3]


@pytest.mark.parametrize("text", ["a: !!python/object:os.system x", "a: !thing {b: 1}", "a: !!set {x}", "a: !!int x"])
def test_tags_are_refused(text):
    with pytest.raises(SpecError, match=r"expected (a plain value|no tag), found (the tag )?'!"):
        parse(text)


def test_core_tags_are_read():
    assert parse("a: !!str 5\nb: !!int '5'").to_plain() == {"a": "5", "b": 5}


def test_aliases_and_merge_keys():
    tree = parse("base: &b {x: 1, y: 2}\none: *b\ntwo: {<<: *b, y: 3}\nthree: {<<: [*b, {z: 4}]}")
    assert tree.to_plain()["one"] == {"x": 1, "y": 2}
    assert tree.to_plain()["two"] == {"x": 1, "y": 3}
    assert tree.to_plain()["three"] == {"x": 1, "y": 2, "z": 4}


def test_an_alias_within_itself_is_refused():
    with pytest.raises(SpecError, match="an alias within its own anchor"):
        parse("a: &a [*a]")


def test_a_merge_of_something_else_is_refused():
    with pytest.raises(SpecError, match="expected a mapping after '<<'"):
        parse("a: {<<: 5}")


def test_a_syntax_error_has_a_place_and_a_snippet():
    with pytest.raises(
        SpecError, match=r"spec.yaml:2:2  not YAML: while parsing a flow mapping.*\n +2 \| b: 1\n +\|  \^"
    ):
        parse("a: {x: 1\nb: 1")


def test_a_bare_star_is_explained():
    with pytest.raises(SpecError, match=r'write "\*" in quotes'):
        parse("modalities:\n  *: {layer: x}")


def test_a_key_that_is_no_word_is_refused():
    with pytest.raises(SpecError, match="expected a word as key, found a list or a mapping"):
        parse("{[1, 2]: 3}")


def test_a_control_character_is_refused():
    with pytest.raises(SpecError, match="not YAML: unacceptable character"):
        parse("a: \x01")


def test_python_values_become_nodes():
    tree = node_of({"a": np.float64(1.5), "b": (1, 2), "c": np.arange(2)}, Source())
    assert tree.to_plain() == {"a": 1.5, "b": [1, 2], "c": [0, 1]}


def test_python_values_that_a_spec_cannot_hold_are_refused():
    with pytest.raises(SpecError, match=r"^a\[1\]: expected text, a number, a list or a mapping, found object"):
        node_of({"a": [1, object()]}, Source())


def test_with_items_leaves_the_node_as_it_is():
    node = Node({"a": Node(1)})
    assert node.with_items({"b": (Node(2), Mark())}).to_plain() == {"a": 1, "b": 2}
    assert node.to_plain() == {"a": 1}
