"""Figures of other implementations on Patch-seq of motor cortex, all standardised features, all pairs known."""

import os
from pathlib import Path

import pytest

from jamie.core.context import Context
from jamie.core.data import Cells, Split
from jamie.core.evaluation import EmbeddedPair
from jamie.data.load import load_dataset
from jamie.methods.cca import CCA
from jamie.methods.lma import LMA
from jamie.methods.nlma import NLMA
from jamie.metrics.foscttm import FOSCTTM
from jamie.metrics.label_transfer_accuracy import LabelTransferAccuracy
from jamie.preprocess.prepare import prepare
from jamie.spec import load_spec

SPEC = {
    "data": {"mudata": {"path": "patchseq_motor.h5mu"}},
    "labels": ["cell_type"],
    "modalities": {
        "*": {"preprocess": ["standardize"]},
        "rna": {"layer": "counts"},
        "ephys": {"layer": "raw"},
    },
}


@pytest.fixture(scope="module")
def prepared():
    if not (Path(os.environ.get("JAMIE_DATA", "")) / "patchseq_motor.h5mu").is_file() or "JAMIE_DATA" not in os.environ:
        pytest.skip("JAMIE_DATA does not name a folder with patchseq_motor.h5mu")
    spec, context = load_spec(SPEC), Context()
    dataset = load_dataset(spec, context).dataset
    everyone = Split({name: modality.obs.index.notna() for name, modality in dataset.modalities.items()})
    return prepare(dataset, everyone, spec, context)


@pytest.mark.parametrize(
    ("method", "accuracy", "foscttm"),
    [(CCA(), 0.239, 0.237), (LMA(), 0.897, 0.044), (NLMA(), 0.925, 0.0008)],
    ids=["cca", "lma", "nlma"],
)
def test_motor_figures(prepared, method, accuracy, foscttm):
    dataset = prepared.dataset
    cells = Cells({m: prepared.view(m) for m in dataset.modalities}, prepared.targets, dataset.known)
    z = method.fit(cells).embed(cells.scores)
    labels = {m: modality.obs["cell_type"].to_numpy(object) for m, modality in dataset.modalities.items()}
    truth = dataset.truth.between("ephys", "rna").matrix
    pair = EmbeddedPair("ephys", "rna", z["ephys"], z["rna"], truth, labels["ephys"], labels["rna"])
    assert LabelTransferAccuracy(k=5).score(pair).value == pytest.approx(accuracy, abs=0.02)
    assert FOSCTTM().score(pair).value == pytest.approx(foscttm, abs=0.01)
