"""An aggregator."""

import jamie


class Example(jamie.Aggregator):
    """The mean of a cell's own latents and of those of its partners."""

    name = "example"

    def __init__(self, modalities, n_latent: int) -> None:
        super().__init__()

    def forward(self, z, blocks):
        combined = {}
        for a in z:
            total, weight = z[a], 1.0
            for b in z:
                weights = None if a == b else blocks.weights(a, b, "rows")
                if weights is not None:
                    total, weight = total + weights @ z[b], weight + weights.sum(dim=1, keepdim=True)
            combined[a] = total / weight
        return combined
