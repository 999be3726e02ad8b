"""Pairings: which cells are known to be the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from jamie.core.data import ModalityData
from jamie.core.interfaces import Pairing
from jamie.testing import toy
from jamie.testing.assertions import build, require_equal, require_is, unmodified


def check_fits_two_and_three_modalities(component: type[Pairing]) -> None:
    """Each pair of modalities has one row for each cell of the first and one column for each of the second."""
    for n_modalities in (2, 3):
        data = _modalities(component, n_modalities)
        sizes = {name: modality.n_cells for name, modality in data.items()}
        require_is(component, "keeps all cells", dict(build(component).pairs(data).sizes), sizes)


def check_follows_cells_in_another_order(component: type[Pairing]) -> None:
    """The same cells in another order have the same partners."""
    data, generator = _modalities(component), np.random.default_rng(0)
    order = {name: generator.permutation(modality.n_cells) for name, modality in data.items()}
    found = build(component).pairs({name: modality.subset(order[name]) for name, modality in data.items()})
    expected = build(component).pairs(data).subset(order)
    matrices = (pairs.between("rna", "atac").matrix for pairs in (found, expected))
    require_equal(component, "follows cells in another order", *matrices)


def check_leaves_inputs_alone(component: type[Pairing]) -> None:
    """The modalities are not modified."""
    data = _modalities(component)
    with unmodified(component, **data):
        build(component).pairs(data)


def _modalities(component: type[Pairing], n_modalities: int = 2) -> dict[str, ModalityData]:
    pairing = build(component)
    data = toy.modalities(n_modalities)
    return {m: replace(one, elements=toy.elements(pairing, toy.view(m))) for m, one in data.items()}
