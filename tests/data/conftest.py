"""Small data made by the tests, and a stand-in for a spec."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from mudata import MuData

from jamie.core.correspondence import Correspondences
from jamie.core.data import Block, ModalityData
from jamie.data.assemble import assemble
from jamie.data.pairings.by_name import ByName
from jamie.model.decoders.real import MLPDecoder
from jamie.spec.evaluate_section import HoldoutSection, KnownPairsSection


def make_adata(cells, n_features, seed=0, **obs):
    X = np.random.default_rng(seed).normal(size=(len(cells), n_features)).astype(np.float32)
    var = pd.DataFrame(index=pd.Index([f"g{j}" for j in range(n_features)]))
    return AnnData(X, obs=pd.DataFrame(obs, index=pd.Index(list(cells))), var=var)


def make_modality(name, cells, n_features=2, **obs):
    frame = pd.DataFrame(obs, index=pd.Index(list(cells), dtype=object))
    block = Block(np.zeros((len(frame), n_features), np.float32), pd.Index([f"g{j}" for j in range(n_features)]))
    return ModalityData(name, frame, block, block)


def make_spec(
    reader=None,
    pairing=None,
    labels=(),
    modalities=None,
    known_fraction=1.0,
    batch_key=None,
    group=None,
    training_cells=None,
):
    """Just what the data stage reads of a spec."""
    decoder = SimpleNamespace(cls=MLPDecoder)
    plain = SimpleNamespace(
        layer=None, obsm=None, target=None, preprocess=[], absent="auto", empty_droplets="auto", decoder=decoder
    )
    given = modalities or {}
    return SimpleNamespace(
        data=SimpleNamespace(build=lambda: reader),
        labels=list(labels),
        train_labels=[],
        requirements=list,
        batch_key=batch_key,
        modalities=given,
        modality=lambda name: SimpleNamespace(**{**vars(plain), **given.get(name, {})}),
        correspondence=SimpleNamespace(known=SimpleNamespace(build=lambda: pairing or ByName()), links=None),
        evaluate=SimpleNamespace(
            known_pairs=KnownPairsSection(fraction=known_fraction),
            holdout=HoldoutSection(group=group),
            training_cells=None,
        ),
        where=lambda key: key,
    )


def pairs_by_name(modalities) -> Correspondences:
    return ByName().pairs(modalities)


@pytest.fixture
def make():
    """Builders of small data: `make.adata`, `make.modality`, `make.spec`, `make.pairs`, `make.mdata`."""
    return SimpleNamespace(
        adata=make_adata, modality=make_modality, spec=make_spec, pairs=pairs_by_name, mdata=assemble
    )


@pytest.fixture
def mdata() -> MuData:
    """rna: cells c0 .. c5; atac: cells c2 .. c8, in reverse; labels in the MuData's own obs and in rna's."""
    rna = make_adata([f"c{i}" for i in range(6)], 4, cell_type=list("aabbab"))
    rna.layers["counts"] = np.ones((6, 4), np.int64)
    atac = make_adata([f"c{i}" for i in range(8, 1, -1)], 3, seed=1)
    joined = assemble({"rna": rna, "atac": atac})
    joined.obs["donor"] = [f"d_{name}" for name in joined.obs_names]
    return joined


@pytest.fixture(scope="session")
def jamie_data() -> Path:
    folder = os.environ.get("JAMIE_DATA", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("the real data are not here: set JAMIE_DATA to the folder of the .h5mu files")
    return Path(folder)
