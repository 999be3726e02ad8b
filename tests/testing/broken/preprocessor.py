"""Preprocessors that break their contract."""

import numpy as np
import torch
from scipy import sparse

import jamie


def dense(X):
    return X.toarray() if sparse.issparse(X) else X


class Sound(jamie.Preprocessor):
    """Divides each feature by its mean."""

    def _fit(self, X, cells):
        self.scale = dense(X).mean(0) + 1

    def _transform(self, X, cells):
        return (dense(X) / self.scale).astype(np.float32)

    def _inverse_transform(self, Z, cells):
        return Z * self.scale

    def affine(self):
        return np.diag(1 / self.scale), np.zeros(len(self.scale))

    def _state(self):
        return {"scale": self.scale}, {}

    def _set_state(self, arrays, plain):
        self.scale = arrays["scale"]


class Unnamed(Sound):
    """Gives a name too few."""

    def _feature_names_out(self, features):
        return features[:-1]


class OneName(Sound):
    """Gives all features one name."""

    def _feature_names_out(self, features):
        return ["score"] * len(features)


class Double(Sound):
    """Gives float64."""

    def _transform(self, X, cells):
        return dense(X) / self.scale.astype(np.float64)


class Explodes(Sound):
    """Divides by zero on the way out."""

    def _inverse_transform(self, Z, cells):
        return np.full_like(Z, np.inf)


class OneWay(Sound):
    """Forgets the scale on the way out."""

    def _inverse_transform(self, Z, cells):
        return Z + 1


class Mixes(Sound):
    """Centres whatever cells it is given."""

    def _transform(self, X, cells):
        return super()._transform(X, cells) - super()._transform(X, cells).mean(0)


class Forgets(Sound):
    """Restores another scale."""

    def _set_state(self, arrays, plain):
        self.scale = np.ones_like(arrays["scale"])


class Pickles(Sound):
    """Keeps text in an array."""

    def _state(self):
        return {"scale": self.scale, "text": np.array(["a", None], dtype=object)}, {}


class WrongAffine(Sound):
    """Claims another map than its own."""

    def affine(self):
        return np.eye(len(self.scale)), np.zeros(len(self.scale))


class NoModule(Sound):
    """Is not affine, and writes no module."""

    def affine(self):
        return None


class WrongInverseModule(Sound):
    """Is differentiated as another inverse than its own."""

    def inverse_as_module(self):
        return torch.nn.Identity()


class SparseDiffers(Sound):
    """Takes the stored entries of a sparse array for all of them."""

    def _transform(self, X, cells):
        return super()._transform(X, cells) * (2 if sparse.issparse(X) else 1)


class NarrowsWrongly(Sound):
    """Takes the scales of other features than the chosen ones."""

    def restrict_inverse(self, columns):
        return self._copy_of(len(columns), scale=self.scale[: len(columns)]), columns


class InPlace(Sound):
    """Scales in place."""

    def _transform(self, X, cells):
        values = X.data if sparse.issparse(X) else X
        values += 1
        return super()._transform(X, cells)


class InverseInPlace(Sound):
    """Inverts in place."""

    def _inverse_transform(self, Z, cells):
        Z *= self.scale + 1
        return Z


class LeavesHoles(Sound):
    """Accepts missing values and leaves them."""

    accepts_nan = True

    def _fit(self, X, cells):
        self.scale = np.ones(X.shape[1])


class Peeks(Sound):
    """Reads labels of the cells without declaring them."""

    def _transform(self, X, cells):
        return super()._transform(X, cells) * (cells["cell_type"] == "early").to_numpy()[:, None]


BROKEN = {
    "check_transforms_to_named_features": [
        (Peeks, r"reads column 'cell_type' of obs without declaring it\n  add \"obs:cell_type\" to its `requires`"),
        (Unnamed, r"preprocessor 'unnamed': a name for each: expected \(41, 18\), found \(41, 19\)"),
        (OneName, "feature names are unique"),
        (Explodes, "the inverse: expected finite values"),
        (Double, "the transform's type: expected float32, found float64"),
    ],
    "check_inverse_undoes_the_transform": [(OneWay, "the inverse undoes the transform, at")],
    "check_cells_do_not_mix": [(Mixes, "a cell's transform is its own, at")],
    "check_state_can_be_restored": [
        (Forgets, r"state\(\) restores it \(transform\)"),
        (Pickles, r"arrays of numbers: expected none other, found \['text'\]"),
    ],
    "check_affine_equals_the_transform": [(WrongAffine, "X A \\+ b is the transform, at")],
    "check_module_equals_the_transform": [
        (NoModule, "preprocessor 'no_module': a transform that is not affine must write as_module itself"),
        (WrongAffine, r"as_module\(\) is the transform"),
    ],
    "check_inverse_module_equals_the_inverse": [
        (WrongInverseModule, r"inverse_as_module\(\) is the inverse, at"),
    ],
    "check_sparse_equals_dense": [(SparseDiffers, "sparse cells give what dense ones give")],
    "check_restrict_inverse_to_some_features": [(NarrowsWrongly, r"restrict_inverse\(\) inverts to some features, at")],
    "check_leaves_inputs_alone": [
        (InPlace, r"inputs are never modified \(X\)"),
        (InverseInPlace, r"inputs are never modified \(Z\)"),
    ],
    "check_missing_values_are_gone": [(LeavesHoles, "no value is missing after the transform")],
}
