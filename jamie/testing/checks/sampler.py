"""Samplers, of cells of two and three modalities, some of them matched."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from jamie.core.correspondence import Correspondence, Correspondences
from jamie.core.interfaces import Sampler
from jamie.core.interfaces.sampler import CellPool
from jamie.testing.assertions import build, require, require_equal, require_is, unmodified

BATCH_SIZE, DRAWS = 8, 30


def check_draws_positions(component: type[Sampler]) -> None:
    """A minibatch has whole numbers, without repeats, that are positions of cells; two or more of each modality."""
    for case, pool in _pools():
        sampler = build(component).start(pool)
        for _ in range(DRAWS):
            drawn = sampler.draw()
            require_is(component, f"a minibatch has every modality ({case})", sorted(drawn), sorted(pool.sizes))
            for name, cells in drawn.items():
                clause, n = f"cells of a minibatch ({case})", pool.sizes[name]
                whole = isinstance(cells, np.ndarray) and cells.dtype.kind in "iu" and cells.ndim == 1
                require(whole, component, clause, expected="a vector of whole numbers", found=cells)
                inside = len(np.unique(cells)) == len(cells) and (
                    len(cells) == 0 or 0 <= cells.min() <= cells.max() < n
                )
                require(inside, component, clause, expected=f"different numbers from 0 to {n - 1}", found=cells)
                require(len(cells) > 1, component, clause, expected="two cells or more", found=len(cells))


def check_every_cell_is_drawn(component: type[Sampler]) -> None:
    """In many minibatches every cell occurs, and a pass is a whole number of minibatches, one or more."""
    for case, pool in _pools():
        sampler = build(component).start(pool)
        steps = sampler.steps_per_pass
        valid = isinstance(steps, int | np.integer) and steps >= 1
        require(valid, component, f"steps_per_pass ({case})", expected="a whole number >= 1", found=steps)
        drawn = [sampler.draw() for _ in range(20 * steps)]
        for name, n in pool.sizes.items():
            seen = len(np.unique(np.concatenate([one[name] for one in drawn])))
            require(seen == n, component, f"every cell is drawn ({case})", expected=f"{n} of {name}", found=seen)


def check_same_generator_same_draws(component: type[Sampler]) -> None:
    """Its only randomness is the generator of the pool."""
    for (case, one), (_, two) in zip(_pools(), _pools(), strict=True):
        first, second = build(component).start(one), build(component).start(two)
        for _ in range(DRAWS):
            require_equal(component, f"the same generator gives the same cells ({case})", first.draw(), second.draw())


def check_continues_from_a_state(component: type[Sampler]) -> None:
    """Another one with the same state goes on with the same minibatches."""
    for (case, one), (_, two) in zip(_pools(), _pools(seed=5), strict=True):
        first, second = build(component).start(one), build(component).start(two)
        for _ in range(3):
            first.draw()
        arrays, plain = first.state()
        second.set_state({name: values.copy() for name, values in arrays.items()}, dict(plain))
        for _ in range(DRAWS):
            require_equal(component, f"a state restores it ({case})", second.draw(), first.draw())


def check_leaves_the_pool_alone(component: type[Sampler]) -> None:
    """Pairs and covariates are not modified."""
    for _, pool in _pools():
        assert pool.inferred is not None
        pairs = {name: of.between("a", "b").matrix for name, of in (("known", pool.known), ("inferred", pool.inferred))}
        with unmodified(component, pairs=pairs, covariates=dict(pool.covariates or {})):
            sampler = build(component).start(pool)
            for _ in range(3):
                sampler.draw()


def _pools(seed: int = 3) -> Iterator[tuple[str, CellPool]]:
    for sizes in ({"a": 30, "b": 41}, {"a": 12, "b": 40, "c": 25}):
        shape = sizes["a"], sizes["b"]
        known = Correspondences(sizes, {("a", "b"): Correspondence.from_pairs(range(10), range(10), shape)})
        guessed = Correspondence.from_pairs([10, 11, 11], [12, 13, 14], shape, [0.5, 0.5, 0.25])
        inferred = Correspondences(sizes, {("a", "b"): guessed})
        covariates = {m: np.eye(2, dtype=np.float32)[np.arange(n) % 2] for m, n in sizes.items()}
        generator = np.random.default_rng(seed)
        yield f"{len(sizes)} modalities", CellPool(known, inferred, BATCH_SIZE, generator, covariates)
