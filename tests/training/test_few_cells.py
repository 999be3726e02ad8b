"""Warnings about few training cells."""

import logging

import numpy as np
import pandas as pd
import pytest

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Correspondences
from jamie.core.data import Block, Dataset, ModalityData, Split
from jamie.preprocess.chain import Chain
from jamie.preprocess.prepare import Prepared
from jamie.spec import load_spec
from jamie.training.few_cells import FEW, warn_of_few_cells


def prepared(n_known, n_alone=0, n_held_out=0):
    """Two modalities of 3 and 4 scores that share cells, the last of them held out, and each have some of their own."""
    n = n_known + n_alone + n_held_out
    shared = np.r_[:n_known, n_known + n_alone : n]
    pairs = Correspondences({"rna": n, "adt": n}, {("rna", "adt"): Correspondence.from_pairs(shared, shared, (n, n))})
    scores = {m: np.zeros((n, d), np.float32) for m, d in {"rna": 3, "adt": 4}.items()}
    blocks = {m: Block(x, pd.RangeIndex(x.shape[1])) for m, x in scores.items()}
    data = {m: ModalityData(m, pd.DataFrame(index=range(n)), one, one) for m, one in blocks.items()}
    split = Split({m: np.arange(n) < n_known + n_alone for m in data})
    chains = {m: Chain([], m) for m in data}
    return Prepared(Dataset(data, pairs, pairs), split, chains, chains, scores, scores)


def warnings(cells, caplog, **training):
    training = {"validation": 0.05, "calibration": 0.05} | training
    spec = load_spec({"data": {"simulate_branch": {}}, "training": training})
    with caplog.at_level(logging.WARNING, "jamie"):
        warn_of_few_cells(cells, spec, Context())
    return [record.getMessage() for record in caplog.records]


def test_numbers_of_cells_and_pairs_and_the_precision_of_scores(caplog):
    first, second = warnings(prepared(40, 18, 17), caplog)
    assert first == (
        "few training cells: 58 of rna, 58 of adt, 40 of them in known pairs; 17 pairs are held out: the "
        "standard error of a feature's correlation is 0.25"
    )
    assert second == (
        "few training cells: the networks read these inputs: 3 of rna, 4 of adt; no intervals, since "
        "training.calibration: 0.05 gives too few pairs (0.08 is enough)"
    )


def test_the_calibration_that_is_named_gives_intervals(caplog):
    assert warnings(prepared(40, 18, 17), caplog, calibration=0.08)[1].endswith(
        "; intervals are calibrated on 16 pairs"
    )


@pytest.mark.parametrize(("training", "end"), [({"ensemble": 1}, "(0.18 is enough)"), ({"calibration": 0}, "4 of adt")])
def test_the_setting_that_is_named_depends_on_the_training(training, end, caplog):
    assert warnings(prepared(50), caplog, **training)[1].endswith(end)


def test_too_few_pairs_for_intervals_and_for_scores(caplog):
    first, second = warnings(prepared(7, 30, 2), caplog)
    assert first.endswith("7 of them in known pairs; 2 pairs are held out, too few to compute scores")
    assert second.endswith("gives too few pairs (no setting is enough)")


def test_without_known_pairs_no_warning_names_intervals(caplog):
    assert warnings(prepared(0, 40), caplog) == [
        "few training cells: 40 of rna, 40 of adt, 0 of them in known pairs",
        "few training cells: the networks read these inputs: 3 of rna, 4 of adt",
    ]


def test_enough_cells_give_no_warning(caplog):
    assert not warnings(prepared(FEW), caplog)
