"""A loss."""

import torch

import jamie


class Example(jamie.Loss):
    """Mean absolute latent."""

    name = "example"

    def forward(self, batch, output):
        return torch.stack([z.abs().mean() for z in output.z.values()]).sum()
