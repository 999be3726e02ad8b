"""Arrays and tensors in safetensors files, whatever their memory looks like.

safetensors writes an array that is not contiguous as its memory lies, and refuses tensors that share memory, as tied
weights and submodules in two places do. Nothing else in jamie hands it any.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import numpy as arrays_io
from safetensors import torch as tensors_io
from torch import Tensor

from jamie.core.files import set_default_permissions


def save_arrays(arrays: Mapping[str, NDArray[Any]], path: Path) -> None:
    """Write arrays of any memory order."""
    # reshaped, since numpy makes a single number a vector here
    contiguous = {name: np.ascontiguousarray(values).reshape(values.shape) for name, values in arrays.items()}
    arrays_io.save_file(contiguous, path)
    set_default_permissions(path)


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read what `save_arrays` wrote."""
    found: dict[str, NDArray[Any]] = arrays_io.load_file(path)
    return found


def save_tensors(tensors: Mapping[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write tensors; one that is in several places, such as a tied weight, is written for each of them."""
    tensors_io.save_file(_apart(tensors), path, metadata)
    set_default_permissions(path)


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read what `save_tensors` wrote."""
    found: dict[str, Tensor] = tensors_io.load_file(path)
    return found


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return contiguous tensors, no two of which share memory."""
    apart, taken = {}, set()
    for name, tensor in tensors.items():
        one = tensor.detach().cpu().contiguous()
        memory = one.untyped_storage()
        if memory.data_ptr() in taken or memory.nbytes() != one.numel() * one.element_size():
            one = one.clone()
        taken.add(one.untyped_storage().data_ptr())
        apart[name] = one
    return apart
