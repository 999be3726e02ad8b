"""Nothing is known."""

from __future__ import annotations

from collections.abc import Mapping

from jamie.core.correspondence import Correspondence
from jamie.core.data import ModalityData
from jamie.core.interfaces.data import Pairing


class NoPairing(Pairing):
    """No pair of cells is known, whatever the cells are called."""

    name = "none"

    def _pairs(self, modalities: Mapping[str, ModalityData]) -> dict[tuple[str, str], Correspondence]:
        return {}
