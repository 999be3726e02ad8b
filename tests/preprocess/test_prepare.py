from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from jamie.core.context import Context
from jamie.core.correspondence import Correspondences
from jamie.core.data import Block, Dataset, ModalityData, Split
from jamie.model.decoders.real import LinearDecoder
from jamie.preprocess.pca import PCA
from jamie.preprocess.prepare import prepare
from jamie.preprocess.standardize import Standardize


def ref(cls, **params):
    return SimpleNamespace(build=lambda: cls(**params))


DECODER = SimpleNamespace(cls=LinearDecoder)
SETTINGS = {
    "rna": SimpleNamespace(preprocess=[ref(Standardize), ref(PCA, n_components=3)], target=None, decoder=DECODER),
    "ephys": SimpleNamespace(
        preprocess=[ref(PCA, n_components=2)],
        target=SimpleNamespace(preprocess=[ref(Standardize)]),
        decoder=DECODER,
    ),
}
SPEC = SimpleNamespace(modality=SETTINGS.__getitem__, model=SimpleNamespace(stack=None))


def modality(name, X, target=None):
    obs = pd.DataFrame(index=[f"{name}{i}" for i in range(len(X))])
    block = Block(X, pd.Index([f"{name}_f{i}" for i in range(X.shape[1])]))
    return ModalityData(name, obs, block, block if target is None else Block(target, block.features))


@pytest.fixture
def split():
    return Split({"rna": np.arange(40) < 30, "ephys": np.arange(25) % 5 > 0})


def dataset(rna, ephys):
    given = {"rna": modality("rna", rna), "ephys": modality("ephys", ephys, ephys * 2 + 1)}
    empty = Correspondences({"rna": 40, "ephys": 25})
    return Dataset(given, empty, empty)


def test_prepare_fits_on_training_cells_only(dense, split):
    changed = dense.copy()
    changed[30:] += 1000
    first = prepare(dataset(dense, dense[:25]), split, SPEC, Context())
    second = prepare(dataset(changed, dense[:25]), split, SPEC, Context())
    (a, plain_a), (b, plain_b) = (prepared.chains["rna"].state() for prepared in (first, second))
    assert plain_a == plain_b
    for key in a:
        np.testing.assert_array_equal(a[key], b[key], err_msg=key)
    np.testing.assert_array_equal(first.scores["rna"][:30], second.scores["rna"][:30])
    assert not np.allclose(first.scores["rna"][30:], second.scores["rna"][30:])


def test_prepare_shares_the_chain_where_target_and_input_are_one(dense, split):
    prepared = prepare(dataset(dense, dense[:25]), split, SPEC, Context())
    assert prepared.target_chains["rna"] is prepared.chains["rna"]
    assert prepared.targets["rna"] is prepared.scores["rna"]


def test_prepare_gives_a_target_its_own_chain(dense, split):
    ephys = dense[:25]
    prepared = prepare(dataset(dense, ephys), split, SPEC, Context())
    train = (ephys * 2 + 1)[split.train["ephys"]].astype(np.float64)
    expected = (ephys * 2 + 1 - train.mean(axis=0)) / train.std(axis=0)
    assert prepared.scores["ephys"].shape == (25, 2)
    np.testing.assert_allclose(prepared.targets["ephys"], expected, atol=1e-4)


def test_prepared_view_and_subset(dense, split):
    prepared = prepare(dataset(dense, dense[:25]), split, SPEC, Context())
    view = prepared.view("rna")
    assert view.scores is prepared.scores["rna"]
    assert view.block is prepared.dataset.modalities["rna"].input
    assert view.unwhitened() is view
    training = prepared.subset(split.train)
    assert training.dataset.sizes == {"rna": 30, "ephys": 20}
    assert not training.split.any_held_out
    assert training.targets["rna"] is training.scores["rna"]
    np.testing.assert_array_equal(training.scores["ephys"], prepared.scores["ephys"][split.train["ephys"]])
    np.testing.assert_array_equal(training.targets["ephys"], prepared.targets["ephys"][split.train["ephys"]])


def test_a_view_of_whitened_scores_can_be_unwhitened(dense, split):
    def view(*steps):
        settings = SETTINGS | {"rna": SimpleNamespace(preprocess=steps, target=None, decoder=DECODER)}
        spec = SimpleNamespace(modality=settings.__getitem__, model=SPEC.model)
        return prepare(dataset(dense, dense[:25]), split, spec, Context()).view("rna")

    plain = view(ref(Standardize), ref(PCA, n_components=3))
    whitened = view(ref(Standardize), ref(PCA, n_components=3, whitening=1.0))
    assert not np.allclose(whitened.scores, plain.scores, rtol=0.1)
    unwhitened = whitened.unwhitened()
    np.testing.assert_allclose(unwhitened.scores, plain.scores, rtol=1e-4, atol=1e-5)
    assert unwhitened.unwhitened() is unwhitened
    assert view(ref(PCA, n_components=3, whitening=1.0), ref(Standardize)).unwhitening is None
    assert view().unwhitening is None
