"""What is written to a safetensors file comes back, whatever its memory looked like."""

import numpy as np
import pytest
import torch

from jamie.core.tensor_files import load_arrays, load_tensors, save_arrays, save_tensors

X = np.arange(24, dtype=np.float32).reshape(4, 6)


@pytest.mark.parametrize(
    "values", [X.T, X[:, ::2], X[::-1], np.asfortranarray(X), np.broadcast_to(X[0], (3, 6)), X.T[:0]]
)
def test_arrays_of_any_memory_order(values, tmp_path):
    save_arrays({"a": values, "b": X}, tmp_path / "arrays.safetensors")
    found = load_arrays(tmp_path / "arrays.safetensors")
    np.testing.assert_array_equal(found["a"], values)
    np.testing.assert_array_equal(found["b"], X)


def test_tensors_that_share_memory(tmp_path):
    whole = torch.arange(12.0).reshape(3, 4)
    tensors = {"whole": whole, "again": whole, "part": whole[1:], "transposed": whole.T, "column": whole[:, 1]}
    save_tensors(tensors, tmp_path / "tensors.safetensors", {"format": "1"})
    found = load_tensors(tmp_path / "tensors.safetensors")
    assert {name: values.tolist() for name, values in found.items()} == {k: v.tolist() for k, v in tensors.items()}
