"""An explainer."""

import numpy as np
import pandas as pd

import jamie


class Example(jamie.Explainer):
    """Correlation of each feature with the first latent."""

    name = "example"

    def _explain(self, subject, context):
        tables = {}
        for m, data in subject.dataset.modalities.items():
            z = subject.embed(m, subject.scores(m))[:, 0]
            found = [np.corrcoef(x, z)[0, 1] if x.std() else 0.0 for x in np.asarray(data.input.X, np.float64).T]
            tables[m] = pd.DataFrame({"feature": data.input.features, "correlation": found})
        return jamie.Explanation(self.name, "the first latent", {}, tables)
