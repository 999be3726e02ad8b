"""A section of the page."""

import jamie


class Example(jamie.Section):
    """The seed of the run, and its metrics."""

    name = "example"
    title = "Randomness"

    def _content(self, run):
        yield f"All numbers follow from the seed {run.spec.seed}."
        yield run.metrics
