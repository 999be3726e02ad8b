"""Samplers: which cells make a minibatch."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from jamie.core.component import Component
from jamie.core.correspondence import Correspondences

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class CellPool:
    """Cells that minibatches are drawn from.

    Parameters
    ----------
    known
        Their known pairs.
    inferred
        Partners of cells that have no known one; None if nothing is inferred.
    batch_size
        Largest number of cells of each modality in a minibatch.
    generator
        The only source of randomness; its state is part of a checkpoint.
    covariates
        (n_m, c) of each modality, such as the batch in one column each; empty if there are none.
    index
        (n_m,) positions of these cells among those that a minibatch is made of; None if they are all of them.

    Examples
    --------
    >>> from jamie.core.correspondence import Correspondences
    >>> CellPool(Correspondences({"rna": 3, "atac": 4}), None, 2, np.random.default_rng(0)).sizes
    {'rna': 3, 'atac': 4}
    """

    known: Correspondences
    inferred: Correspondences | None
    batch_size: int
    generator: np.random.Generator
    covariates: Mapping[str, NDArray[np.float32]] | None = None
    index: Mapping[str, Indices] | None = None

    @property
    def sizes(self) -> Mapping[str, int]:
        """Number of cells of each modality."""
        return self.known.sizes


class Sampler(Component):
    """Draws the cells of each minibatch.

    An author writes `_draw`, and `_start` to prepare for it; `self.pool` holds the cells. What `_draw` changes is given
    back by `_state`, so that a run that was stopped goes on with the same minibatches; the generator's state is kept
    anyway.

    Examples
    --------
    >>> class Uniform(Sampler):
    ...     '''Draws the cells of each modality at random.'''
    ...
    ...     name = "uniform"
    ...
    ...     def _draw(self):
    ...         draw, size = self.pool.generator.choice, self.pool.batch_size
    ...         return {m: draw(n, min(n, size), replace=False) for m, n in self.pool.sizes.items()}
    >>> pool = CellPool(Correspondences({"rna": 3, "atac": 4}), None, 2, np.random.default_rng(0))
    >>> {m: len(drawn) for m, drawn in Uniform().start(pool).draw().items()}
    {'rna': 2, 'atac': 2}
    """

    kind: ClassVar[str] = "sampler"
    pool: CellPool

    def start(self, pool: CellPool) -> Sampler:
        """Draw from these cells from now on; returns itself."""
        self.pool = pool
        self._start()
        return self

    @property
    def steps_per_pass(self) -> int:
        """Minibatches until every cell has been drawn at least once, or would be on average."""
        return max(-(-n // self.pool.batch_size) for n in self.pool.sizes.values())

    def draw(self) -> dict[str, Indices]:
        """Return the positions of the next minibatch's cells of each modality, without repeats."""
        index = self.pool.index
        return {m: drawn if index is None else index[m][drawn] for m, drawn in self._draw().items()}

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Arrays and plain values that `set_state` needs to go on with the same minibatches."""
        arrays, plain = self._state()
        return dict(arrays), {**plain, "generator": self.pool.generator.bit_generator.state}

    def set_state(self, arrays: Mapping[str, NDArray[Any]], plain: Mapping[str, Any]) -> None:
        """Continue from a `state`."""
        self._set_state(arrays, plain)
        self.pool.generator.bit_generator.state = plain["generator"]

    def _start(self) -> None:
        """Prepare to draw from `self.pool`; by default nothing."""

    @abstractmethod
    def _draw(self) -> Mapping[str, Indices]: ...

    def _state(self) -> tuple[Mapping[str, NDArray[Any]], Mapping[str, Any]]:
        return {}, {}

    def _set_state(self, arrays: Mapping[str, NDArray[Any]], plain: Mapping[str, Any]) -> None:
        """Continue from a `_state`; by default there is none."""
