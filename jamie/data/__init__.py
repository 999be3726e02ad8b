"""Stage 2: readers, simulators and pairings; anything -> checked, named, paired cells."""

from jamie.data.blocks import choose_block
from jamie.data.load import LoadedData, dataset_from, load_dataset
from jamie.data.pairing_table import PairingTable, pairing_table
from jamie.data.splits.holdout import hide_pairs, split_cells

__all__ = [
    "LoadedData",
    "PairingTable",
    "choose_block",
    "dataset_from",
    "hide_pairs",
    "load_dataset",
    "pairing_table",
    "split_cells",
]
