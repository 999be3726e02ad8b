"""Cells held out by a component."""

import numpy as np
import pytest

import jamie
from jamie.core.context import Context
from jamie.core.errors import ContractError, DataError, SpecError
from jamie.data.load import load_dataset
from jamie.data.splits.holdout import split_cells
from jamie.spec import load_spec

SPEC = {"data": {"simulate_branch": {"n_cells": 60, "n_features": [20, 30], "overlap": 0.5}}, "labels": ["cell_type"]}


def split_by(**parameters):
    spec = load_spec(SPEC, {"evaluate.holdout.split": {"by_value": parameters}})
    dataset = load_dataset(spec, Context()).dataset
    return dataset, split_cells(dataset, spec.evaluate.holdout, Context())


def test_cells_of_the_values_are_held_out_in_every_modality():
    dataset, split = split_by(column="cell_type", values=["branch_1"])
    for name, modality in dataset.modalities.items():
        np.testing.assert_array_equal(split.train[name], modality.obs["cell_type"] != "branch_1")
        assert not split.train[name].all()


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        (
            {"column": "cell_typ", "values": ["a"]},
            "expected a column 'cell_typ' in obs, found none of that name\n  did you mean 'cell_type'",
        ),
        (
            {"column": "cell_type", "values": ["branch_1", "twig"]},
            "expected cells with 'twig' in obs.'cell_type'., found none\n  there are",
        ),
    ],
)
def test_what_is_not_there_is_said(parameters, words):
    with pytest.raises(DataError, match=f"split 'by_value': {words}"):
        split_by(**parameters)


def test_all_cells_of_a_modality_cannot_be_held_out():
    with pytest.raises(DataError, match=r"expected at least \d+ cells to train on, found 0"):
        split_by(column="cell_type", values=["branch_0", "branch_1", "branch_2"])


def test_another_way_of_holding_out_beside_it_is_refused():
    split = {"by_value": {"column": "cell_type", "values": ["branch_1"]}}
    with pytest.raises(SpecError, match="expected split or group, found both\n  keep one"):
        load_spec(SPEC, {"evaluate.holdout.split": split, "evaluate.holdout.group": "donor"})


def test_what_is_no_mask_is_refused():
    class Positions(jamie.Splitter):
        """Gives positions."""

        name = "positions"

        def _hold_out(self, cells, context):
            return [0, 1]

    dataset, _ = split_by(column="cell_type", values=["branch_1"])
    with pytest.raises(
        ContractError, match=r"split 'positions': expected 60 values that are true or false, found int64"
    ):
        Positions().hold_out(dataset.modalities["modality1"].obs.iloc[:60], Context())
