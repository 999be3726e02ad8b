"""Pairings that break their contract."""

import numpy as np

import jamie


def shared(a, b):
    matrix = (a.cells.to_numpy()[:, None] == b.cells.to_numpy()[None, :]).astype(np.float32)
    return jamie.Correspondence(matrix)


class Sound(jamie.Pairing):
    """Cells of one name."""

    def _pairs(self, modalities):
        a, b = list(modalities)[:2]
        return {(a, b): shared(modalities[a], modalities[b])}


class Invents(jamie.Pairing):
    """Pairs a modality that is not there."""

    def _pairs(self, modalities):
        return {("rna", "methyl"): jamie.Correspondence.empty((1, 1))}


class Forgets(jamie.Pairing):
    """Leaves cells out, behind the back of the public method."""

    def pairs(self, modalities):
        return jamie.Correspondences({name: m.n_cells - 1 for name, m in modalities.items()})

    def _pairs(self, modalities):
        return {}


class ByRow(jamie.Pairing):
    """Takes cells in one row for partners."""

    def _pairs(self, modalities):
        rna, atac = modalities["rna"], modalities["atac"]
        rows = np.arange(rna.n_cells)
        return {("rna", "atac"): jamie.Correspondence.from_pairs(rows, rows, (rna.n_cells, atac.n_cells))}


class Scribbles(Sound):
    """Writes into the cells."""

    def _pairs(self, modalities):
        modalities["atac"].input.X[0, 0] = -1
        return super()._pairs(modalities)


class Relabels(Sound):
    """Writes into the annotations."""

    def _pairs(self, modalities):
        obs = modalities["rna"].obs
        obs.index = obs.index.str.upper()
        return {}


BROKEN = {
    "check_fits_two_and_three_modalities": [
        (Invents, "pairing 'invents'.*expected pairs of rna, atac, found methyl"),
        (Forgets, "pairing 'forgets': keeps all cells: expected {'rna': 41, 'atac': 53}, found {'rna': 40"),
    ],
    "check_follows_cells_in_another_order": [(ByRow, "pairing 'by_row': follows cells in another order")],
    "check_leaves_inputs_alone": [
        (Scribbles, r"inputs are never modified \(atac\.input\.X\), at \(0, 0\)"),
        (Relabels, r"inputs are never modified \(rna\.obs\.index\)"),
    ],
}
