import numpy as np
import pandas as pd
import pytest

from jamie.commands.transfer import EmbeddedCells, choose_modalities
from jamie.core.data import Block, ModalityData
from jamie.core.errors import DataError


def embedded(*modalities, labelled=()):
    """One cell of each modality."""
    block, found = Block(np.empty((1, 0), np.float32), pd.Index([])), {}
    for m in modalities:
        obs = pd.DataFrame({"type": ["T"]} if m in labelled else {}, index=["cell"])
        found[m] = EmbeddedCells(ModalityData(m, obs, block, block), np.zeros((1, 2)), np.array(["train"], object))
    return found


@pytest.mark.parametrize(
    ("labelled", "given", "expected"),
    [
        ("ab", (None, None), ("b", "a")),
        ("a", (None, None), ("a", "b")),
        ("ab", ("a", None), ("a", "b")),
        ("ab", (None, "b"), ("a", "b")),
        ("ab", ("b", "a"), ("b", "a")),
    ],
)
def test_labels_go_from_the_second_modality_or_from_that_which_has_them(labelled, given, expected):
    assert choose_modalities(embedded("a", "b", labelled=labelled), "type", *given) == expected


def test_of_three_modalities_both_ends_are_named():
    cells = embedded("a", "b", "c", labelled="abc")
    assert choose_modalities(cells, "type", "c", "a") == ("c", "a")
    with pytest.raises(DataError, match="expected two modalities, found a, b, c\n  give --source and --to"):
        choose_modalities(cells, "type", "c", None)
