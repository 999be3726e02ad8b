"""Parameters that depend on the number of training cells."""

import pytest

from jamie.model.build import set_size_defaults
from jamie.spec import load_spec

SPEC = {"data": {"simulate_branch": {}}, "modalities": {"*": {"encoder": "linear_skip", "decoder": "linear_skip"}}}


@pytest.mark.parametrize(
    ("n_cells", "widths", "dropout", "dropped"), [(150, [128], 0.5, 0.2), (4000, [253], 0.35, 0.05)]
)
def test_widths_and_dropout_follow_the_number_of_cells(n_cells, widths, dropout, dropped):
    spec = set_size_defaults(load_spec(SPEC), {"rna": n_cells})
    assert spec.modality("rna").encoder.params == {"widths": widths, "dropout": dropout, "input_dropout": dropped}
    assert spec.modality("rna").decoder.params == {"widths": widths, "dropout": dropout}


def test_parameters_of_the_spec_are_kept():
    chosen = {"linear_skip": {"widths": [7], "dropout": 0.0}}
    spec = set_size_defaults(load_spec(SPEC, {"modalities.*.decoder": chosen}), {"rna": 4000})
    assert spec.modality("rna").decoder.params == {"widths": [7], "dropout": 0.0}
