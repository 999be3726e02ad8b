"""A preprocessor."""

import numpy as np
from scipy import sparse

import jamie


class Example(jamie.Preprocessor):
    """Divides each feature by its mean absolute value in training cells."""

    name = "example"

    def _fit(self, X, cells):
        self.scale = np.asarray(abs(X).mean(axis=0)).ravel() + 1.0

    def _transform(self, X, cells):
        return (X.toarray() if sparse.issparse(X) else X) / self.scale

    def _inverse_transform(self, Z, cells):
        return Z * self.scale

    def affine(self):
        return np.diag(1 / self.scale), np.zeros(len(self.scale))

    def _state(self):
        return {"scale": self.scale}, {}

    def _set_state(self, arrays, plain):
        self.scale = arrays["scale"]
