"""A model whose files are not those that were written is refused, whatever is wrong with them."""

import json

import pytest
import torch

import jamie
from jamie.core.errors import OutputError
from jamie.core.files import file_hash
from jamie.core.tensor_files import load_tensors, save_tensors
from jamie.testing.toy_run import copied_run

FILES = ("preprocessing.safetensors", "network.safetensors")


@pytest.fixture
def folder():
    return copied_run() / "model"


@pytest.mark.parametrize("name", FILES)
def test_one_flipped_bit_is_found(folder, name):
    recorded = json.loads((folder / "model.json").read_text(encoding="utf-8"))["sha256"]
    assert recorded == {name: file_hash(folder / name) for name in FILES}
    content = bytearray((folder / name).read_bytes())
    content[-3] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(OutputError, match=f"{name} is not the file that was written: its SHA-256 differs"):
        jamie.load(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_are_finite(folder, value):
    weights = load_tensors(folder / "network.safetensors")
    name = next(name for name, values in weights.items() if values.is_floating_point() and values.numel() > 1)
    weights[name].view(-1)[0] = torch.tensor(value)
    save_tensors(weights, folder / "network.safetensors")
    described = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    described["sha256"]["network.safetensors"] = file_hash(folder / "network.safetensors")
    (folder / "model.json").write_text(json.dumps(described))
    message = f"expected finite numbers in network.safetensors, found others in '{name}'"
    with pytest.raises(OutputError, match=message):
        jamie.load(folder)


def test_a_file_without_a_hash_is_refused(folder):
    described = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    del described["sha256"]["network.safetensors"]
    (folder / "model.json").write_text(json.dumps(described))
    with pytest.raises(OutputError, match="files that cannot be read or do not fit each other"):
        jamie.load(folder)
