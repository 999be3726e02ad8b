"""Samplers that break their contract."""

import numpy as np

import jamie


class Sound(jamie.Sampler):
    """Draws the cells of each modality at random."""

    def _draw(self):
        return {m: self.choose(n) for m, n in self.pool.sizes.items()}

    def choose(self, n):
        return self.pool.generator.choice(n, min(n, self.pool.batch_size), replace=False)


class Repeats(Sound):
    """Draws with repeats."""

    def choose(self, n):
        return self.pool.generator.integers(n, size=n)


class Single(Sound):
    """Draws one cell."""

    def choose(self, n):
        return self.pool.generator.integers(n, size=1)


class Favours(Sound):
    """Draws the first cells alone."""

    def choose(self, n):
        return self.pool.generator.permutation(self.pool.batch_size)


class Wild(Sound):
    """Draws by numpy's global generator."""

    def choose(self, n):
        return np.random.permutation(n)[: self.pool.batch_size]  # noqa: NPY002


class Forgets(Sound):
    """Goes through the cells in order, and forgets where it was."""

    def _start(self):
        self.done = 0

    def _draw(self):
        self.done += 1
        return super()._draw()

    def choose(self, n):
        return (np.arange(self.pool.batch_size) + self.done * self.pool.batch_size) % n


class Clears(Sound):
    """Removes what is not sure."""

    def _start(self):
        self.pool.inferred.between("a", "b").matrix.data[:] = 0


BROKEN = {
    "check_draws_positions": [
        (Repeats, "sampler 'repeats': cells of a minibatch .2 modalities.: expected different numbers from 0 to 29"),
        (Single, "expected two cells or more, found 1"),
    ],
    "check_every_cell_is_drawn": [(Favours, "every cell is drawn .2 modalities.: expected 30 of a, found 8")],
    "check_same_generator_same_draws": [(Wild, "the same generator gives the same cells")],
    "check_continues_from_a_state": [(Forgets, "a state restores it")],
    "check_leaves_the_pool_alone": [(Clears, "inputs are never modified")],
}
