"""Context of a computation: randomness, device, progress and memory limit."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from jamie.core.errors import MemoryLimitError
from jamie.core.memory import free_memory, physical_memory

Progress = Callable[[str, int, int, Mapping[str, float]], None]


def _silent(stage: str, done: int, total: int, values: Mapping[str, float]) -> None:
    """Report nothing."""


def memory_limit() -> int:
    """Bytes that one piece of work may take: half of the memory, or what is free of it where that is less."""
    return min(physical_memory() // 2, free_memory())


@dataclass(frozen=True)
class Context:
    """Randomness, device, progress and memory limit of a computation.

    Parameters
    ----------
    seed
        The one seed of the run; each stage draws from a generator of its own (`for_stage`).
    stage
        Name of the stage, mixed into the seed, so that a stage's numbers do not depend on the stages before it.
    device
        A torch device, such as ``"cpu"`` or ``"cuda"``.
    progress
        Called as ``progress(stage, done, total, values)`` while work goes on.
    memory_limit
        Bytes that one piece of work may take; by default half of the machine's memory, or less where less is free or a
        control group or ``ulimit -v`` allows less.

    Examples
    --------
    >>> context = Context(seed=1, stage="training")
    >>> bool(context.generator().integers(100) == context.generator().integers(100))
    True
    >>> context.for_stage("data").stage
    'data'
    """

    seed: int = 0
    stage: str = ""
    device: str = "cpu"
    progress: Progress = _silent
    memory_limit: int = field(default_factory=memory_limit)

    def for_stage(self, stage: str) -> Context:
        """Return the same context for another stage."""
        return replace(self, stage=stage)

    def with_progress(self, progress: Progress | None) -> Context:
        """Return the same context that reports progress to `progress`; itself if that is None."""
        return self if progress is None else replace(self, progress=progress)

    def generator(self) -> np.random.Generator:
        """Return a fresh generator, the same for the same seed and stage."""
        return np.random.default_rng([self.seed, zlib.crc32(self.stage.encode())])

    def require_memory(self, n_bytes: int, what: str, instead: str) -> None:
        """Refuse work that would not fit.

        Raises
        ------
        MemoryLimitError
            Where `n_bytes` exceeds the limit; `instead` says what to use.
        """
        if n_bytes > self.memory_limit:
            raise MemoryLimitError(
                f"{what} would need {n_bytes / 2**30:.1f} GiB, more than the limit of "
                f"{self.memory_limit / 2**30:.1f} GiB",
                where=self.stage,
                fix=instead,
            )
