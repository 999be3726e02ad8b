"""A reader."""

import anndata
import mudata
import numpy as np

import jamie


class Example(jamie.Reader):
    """Random counts of two modalities.

    Parameters
    ----------
    n_cells
        Number of cells.
    """

    name = "example"

    def __init__(self, *, n_cells: int = 100) -> None:
        self.n_cells = n_cells

    def _read(self, context):
        generator = context.generator()
        modalities = {}
        for name, n_features in (("rna", 20), ("protein", 5)):
            counts = generator.poisson(3.0, size=(self.n_cells, n_features)).astype(np.float32)
            adata = modalities[name] = anndata.AnnData(counts)
            adata.obs_names = [f"cell{i}" for i in range(self.n_cells)]
            adata.var_names = [f"{name}{i}" for i in range(n_features)]
        return mudata.MuData(modalities)
