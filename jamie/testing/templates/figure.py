"""A figure."""

import jamie


class Example(jamie.Figure):
    """Number of cells of each modality."""

    name = "example"
    section = "embedding"
    title = "Cells"

    def _draw(self, run):
        from matplotlib.figure import Figure

        ax = Figure(figsize=(3, 2.5), layout="constrained").subplots()
        ax.bar(list(run.mdata.mod), [adata.n_obs for adata in run.mdata.mod.values()])
        ax.set_ylabel("cells")
        return ax
