"""A sampler."""

import jamie


class Example(jamie.Sampler):
    """Draws the cells of each modality at random, without regard to pairs."""

    name = "example"

    def _draw(self):
        draw, size = self.pool.generator.choice, self.pool.batch_size
        return {m: draw(n, min(n, size), replace=False) for m, n in self.pool.sizes.items()}
