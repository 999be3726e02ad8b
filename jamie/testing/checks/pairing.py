"""Pairings: what the user knows of which cell is which."""

from __future__ import annotations

import numpy as np

from jamie.core.interfaces import Pairing
from jamie.testing import toy
from jamie.testing.clause import build, require, require_equal, unmodified


def check_fits_two_and_three_modalities(component: type[Pairing]) -> None:
    """Each pair of modalities has one row for each cell of the first and one column for each of the second."""
    for n_modalities in (2, 3):
        data = toy.modalities(n_modalities)
        found = build(component).pairs(data)
        sizes = {name: modality.n_cells for name, modality in data.items()}
        require(dict(found.sizes) == sizes, component, "keeps all cells", expected=sizes, found=found.sizes)


def check_follows_cells_in_another_order(component: type[Pairing]) -> None:
    """The same cells in another order have the same partners."""
    data, generator = toy.modalities(), np.random.default_rng(0)
    order = {name: generator.permutation(modality.n_cells) for name, modality in data.items()}
    found = build(component).pairs({name: modality.subset(order[name]) for name, modality in data.items()})
    expected = build(component).pairs(data).subset(order).between("rna", "atac")
    require_equal(component, "follows cells in another order", found.between("rna", "atac").matrix, expected.matrix)


def check_leaves_inputs_alone(component: type[Pairing]) -> None:
    """The modalities are not modified."""
    data = toy.modalities()
    seen = {f"obs of {name}": modality.obs.reset_index().astype(str) for name, modality in data.items()}
    with unmodified(component, **seen, **{f"X of {name}": m.input.X for name, m in data.items()}):
        build(component).pairs(data)
    for name, modality in data.items():
        require_equal(component, f"inputs are never modified (cells of {name})", modality.cells, toy.obs(name).index)
