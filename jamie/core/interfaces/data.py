"""Where cells come from, and which pairs of them are known: readers and pairings."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from jamie.core.component import Component
from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Correspondences
from jamie.core.data import ModalityData
from jamie.core.requirements import KEYED

if TYPE_CHECKING:
    from mudata import MuData


class Reader(Component):
    """Reads cells. Parameters annotated as `pathlib.Path` are looked up beside the spec, then in $JAMIE_DATA.

    Examples
    --------
    >>> import anndata, mudata, numpy as np
    >>> class Ones(Reader):
    ...     '''Two cells of one modality, all values 1.'''
    ...
    ...     name = "ones"
    ...
    ...     def _read(self, context):
    ...         return mudata.MuData({"rna": anndata.AnnData(np.ones((2, 3), np.float32))})
    >>> Ones().read()["rna"].shape
    (2, 3)
    """

    kind: ClassVar[str] = "reader"

    def read(self, context: Context | None = None) -> MuData:
        """Read every modality.

        Parameters
        ----------
        context
            Randomness and progress.

        Returns
        -------
        MuData
            Cells are rows; a cell measured in several modalities has the same name in each.

        Raises
        ------
        DataError
            Where a file is absent, empty or of another format.
        """
        from mudata import MuData

        mdata = self._read(context or Context(stage="data"))
        if not isinstance(mdata, MuData) or not mdata.mod:
            problem = f"expected _read to return a MuData with at least one modality, found {type(mdata).__name__}"
            raise self._contract_error(problem, "return mudata.MuData({name: AnnData, ...})")
        return mdata

    @abstractmethod
    def _read(self, context: Context) -> MuData: ...

    def contents(self) -> Mapping[str, Mapping[str, Collection[str]]] | None:
        """Names of what each modality holds, found without reading a matrix; None where it takes reading.

        By the words of `jamie.core.requirements`: ``{"rna": {"obsm": ["spatial"], "layer": ["counts"], ...}}``.
        """
        return None

    def sources(self) -> tuple[Path, ...]:
        """Files that the data come from, to be hashed into the manifest; none for a simulator."""
        values = [v for p in vars(self).values() for v in (p.values() if isinstance(p, dict) else (p,))]
        return tuple(v for v in values if isinstance(v, Path))


class Pairing(Component):
    """Finds the known correspondence of every two modalities.

    Examples
    --------
    >>> class ByPosition(Pairing):
    ...     '''Cell i of one modality is cell i of the other.'''
    ...
    ...     name = "by_position"
    ...
    ...     def _pairs(self, modalities):
    ...         (a, b), n = modalities, min(m.n_cells for m in modalities.values())
    ...         shape = tuple(m.n_cells for m in modalities.values())
    ...         return {(a, b): Correspondence.from_pairs(range(n), range(n), shape)}
    """

    kind: ClassVar[str] = "pairing"
    readable: ClassVar[frozenset[str]] = frozenset(KEYED)

    def pairs(self, modalities: Mapping[str, ModalityData]) -> Correspondences:
        """Return the known correspondence.

        Parameters
        ----------
        modalities
            Cells of each modality.

        Returns
        -------
        Correspondences
            Empty for two modalities without known pairs.

        Raises
        ------
        DataError
            Where names or shapes do not fit the modalities.
        """
        found = self._pairs({name: data.read_by(self) for name, data in modalities.items()})
        if not isinstance(found, Mapping) or not all(isinstance(c, Correspondence) for c in found.values()):
            problem = f"expected _pairs to return a dict of Correspondence, found {type(found).__name__}"
            fix = 'return {("rna", "atac"): jamie.Correspondence(...)}, or {} where nothing is known'
            raise self._contract_error(problem, fix)
        unknown = {m for pair in found for m in pair} - set(modalities)
        if unknown:
            problem = f"expected pairs of {', '.join(modalities)}, found {', '.join(sorted(unknown))}"
            raise self._contract_error(problem)
        return Correspondences({name: m.n_cells for name, m in modalities.items()}, found)

    @abstractmethod
    def _pairs(self, modalities: Mapping[str, ModalityData]) -> dict[tuple[str, str], Correspondence]: ...
