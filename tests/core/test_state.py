"""What was fitted is taken apart for files and put together again."""

import json

import numpy as np
import pytest
import torch

from jamie.core.state import State


def test_nested_values_come_back():
    nested = {
        "maps": {("rna", "protein"): np.arange(6.0).reshape(2, 3), ("protein", "rna"): np.arange(6).reshape(2, 3).T},
        "labels": {None: 1, "B": [np.float32(0.5), True, None, "text"], 3: (np.array(2.0), ())},
        "weights": torch.arange(3, dtype=torch.float32),
    }
    state = State.of(nested)
    found = State(state.arrays, json.loads(json.dumps(state.values))).nested()
    assert found.keys() == nested.keys()
    for direction, values in nested["maps"].items():
        np.testing.assert_array_equal(found["maps"][direction], values)
        assert found["maps"][direction].flags.c_contiguous == values.flags.c_contiguous
    assert found["labels"][None] == 1
    assert found["labels"]["B"] == [0.5, True, None, "text"]
    assert found["labels"][3] == (np.array(2.0), ())
    assert found["weights"].tolist() == [0, 1, 2]
    assert all(values.flags.c_contiguous for values in state.arrays.values())


@pytest.mark.parametrize(
    ("nested", "message"),
    [
        ({"a": [1, object()]}, r"state\['a'\]\[1\]: expected an array of numbers.*, found object"),
        ({"a": np.array(["x"])}, r"state\['a'\]: expected an array of numbers.*, found an array of <U1"),
        ({frozenset(): 1}, r"state: expected keys of text, numbers, or tuples of these, found frozenset\(\)"),
    ],
)
def test_other_values_are_refused(nested, message):
    with pytest.raises(TypeError, match=message):
        State.of(nested)
