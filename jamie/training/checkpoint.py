"""Checkpoints of training, in safetensors files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from jamie.core.errors import OutputError
from jamie.core.files import replace_atomically
from jamie.core.prefixes import select_prefix
from jamie.core.tensor_files import save_tensors

FORMAT = "2"


@dataclass(frozen=True)
class Checkpoint:
    """Everything that training needs to continue as if it had not been interrupted.

    Parameters
    ----------
    tensors
        Weights, best weights, optimizer, generators, sampler, history.
    plain
        Numbers and text (JSON).
    """

    tensors: Mapping[str, Tensor]
    plain: Mapping[str, Any]

    def save(self, path: Path) -> None:
        """Write a safetensors file; a kill at any moment leaves either the old file or the new one."""
        with replace_atomically(path) as partial:
            save_tensors(self.tensors, partial, {"format": FORMAT, "plain": json.dumps(self.plain)})

    @classmethod
    def load(cls, path: Path) -> Checkpoint:
        """Read what `save` wrote.

        Raises
        ------
        OutputError
            If the file is not a checkpoint, or is one of another version.
        """
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                if metadata.get("format") != FORMAT:
                    raise ValueError(f"its format is {metadata.get('format', 'that of an earlier version')}")
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
                return cls(tensors, json.loads(metadata["plain"]))
        except (SafetensorError, KeyError, ValueError) as error:
            raise OutputError(
                f"expected a checkpoint, found a file that cannot be read ({error})",
                where=str(path),
                fix="delete it to train from the start",
            ) from error

    def part(self, prefix: str) -> dict[str, Tensor]:
        """Tensors whose name starts with ``prefix.``, without it."""
        return select_prefix(prefix, self.tensors)


@dataclass(frozen=True)
class CheckpointFiles:
    """The latest checkpoint of each member of an ensemble, a file for each.

    Parameters
    ----------
    path
        File of the first member; the number of a further one is added to the stem: ``training.1.safetensors``.
    """

    path: Path

    def load(self, member: int) -> Checkpoint | None:
        """Read the checkpoint of a member; None if there is none yet."""
        path = self._file(member)
        return Checkpoint.load(path) if path.is_file() else None

    def save(self, member: int, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint of a member."""
        checkpoint.save(self._file(member))

    def _file(self, member: int) -> Path:
        return self.path.with_stem(f"{self.path.stem}.{member}") if member else self.path
