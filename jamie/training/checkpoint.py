"""Checkpoints: one safetensors file that appears whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from jamie.core.errors import OutputError
from jamie.core.files import replace_atomically, set_default_permissions


@dataclass(frozen=True)
class Checkpoint:
    """All that training needs to go on as if it had not been interrupted.

    Parameters
    ----------
    tensors
        Weights, best weights, optimizer, generators, sampler, history.
    plain
        Numbers and words (JSON).
    """

    tensors: Mapping[str, Tensor]
    plain: Mapping[str, Any]

    def save(self, path: Path) -> None:
        """Write to `path`; a kill at any moment leaves either the old file or the new one."""
        tensors = {name: tensor.detach().contiguous() for name, tensor in self.tensors.items()}
        with replace_atomically(path) as partial:
            save_file(tensors, partial, metadata={"plain": json.dumps(self.plain)})
            set_default_permissions(partial)

    @classmethod
    def load(cls, path: Path) -> Checkpoint:
        """Read what `save` wrote.

        Raises
        ------
        OutputError
            Where the file is not a checkpoint.
        """
        try:
            with safe_open(path, framework="pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
                return cls(tensors, json.loads((file.metadata() or {})["plain"]))
        except (SafetensorError, KeyError, ValueError) as error:
            raise OutputError(
                f"expected a checkpoint, found a file that cannot be read ({error})",
                where=str(path),
                fix="delete it to start training anew",
            ) from error

    def part(self, prefix: str) -> dict[str, Tensor]:
        """Tensors whose name starts with ``prefix.``, without it."""
        return {k.removeprefix(f"{prefix}."): v for k, v in self.tensors.items() if k.startswith(f"{prefix}.")}
