"""A loss in some twenty lines."""

import torch

import jamie


class Sparsity(jamie.Loss):
    r"""Mean absolute latent mean, which keeps few latent dimensions in use for each cell.

    .. math:: \sum_m \frac{1}{n_m L} \sum_{i,k} | \mu_{ik} |
    """

    name = "sparsity"
    references = ("Tibshirani 1996, J. R. Stat. Soc. B, doi:10.1111/j.2517-6161.1996.tb02080.x",)

    def forward(self, batch: jamie.Batch, output: jamie.Output) -> torch.Tensor:
        """Return the term as a scalar tensor."""
        return torch.stack([posterior.mean.abs().mean() for posterior in output.posterior.values()]).sum()
