"""Pairings: what the user knows of which cell is which."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from jamie.core.component import Component
from jamie.core.correspondence import Correspondence, Correspondences
from jamie.core.data import ModalityData
from jamie.core.errors import ContractError


class Pairing(Component):
    """Finds the known correspondence of every two modalities."""

    kind: ClassVar[str] = "pairing"

    def pairs(self, modalities: Mapping[str, ModalityData]) -> Correspondences:
        """Return the known correspondence.

        Raises
        ------
        DataError
            Where names or shapes do not fit the modalities.
        """
        found = self._pairs(modalities)
        if not isinstance(found, Mapping) or not all(isinstance(c, Correspondence) for c in found.values()):
            raise ContractError(
                f"expected _pairs to return a dict of Correspondence, found {type(found).__name__}",
                where=f"pairing '{self.name}'",
                fix='return {("rna", "atac"): jamie.Correspondence(...)}, or {} where nothing is known',
            )
        unknown = {m for pair in found for m in pair} - set(modalities)
        if unknown:
            raise ContractError(
                f"expected pairs of {', '.join(modalities)}, found {', '.join(sorted(unknown))}",
                where=f"pairing '{self.name}'",
            )
        return Correspondences({name: m.n_cells for name, m in modalities.items()}, found)

    @abstractmethod
    def _pairs(self, modalities: Mapping[str, ModalityData]) -> dict[tuple[str, str], Correspondence]: ...
