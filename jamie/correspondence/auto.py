"""The choice of an inferer by what is known of the cells."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from pydantic import Field

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Inferred
from jamie.core.data import View
from jamie.core.interfaces import CorrespondenceInferer

log = logging.getLogger(__name__)

ON_ACCELERATOR = 4  # times as many cells can all be compared where the device is not a CPU


@dataclass(frozen=True)
class Choice:
    """An inferer and why it was chosen.

    Parameters
    ----------
    inferer
        With its default parameters.
    because
        The reason, in words.
    """

    inferer: CorrespondenceInferer
    because: str


class Auto(CorrespondenceInferer):
    """Picks an inferer by known pairs, linked features, number of cells, device and memory, and says which and why.

    `seeded` where enough pairs are known, since known pairs are worth more than anything else; else `mutual_nearest`
    where enough features are linked; else `gromov_wasserstein` where the cells are few enough to compare all with all,
    and `hierarchical` where they are not. The diagnostics say what was `picked` and `because` of what.

    Of those that know nothing but distances, `gromov_wasserstein` found hidden partners best: at the quantiles 0.22
    (scgem) and 0.30 (patchseq_motor), `unioncom` at 0.27 and 0.36; on snareseq_cortex both are at chance.

    Parameters
    ----------
    min_pairs : int
        Known pairs that are enough.
    min_links : int
        Linked features that are enough.
    most_cells : int
        Cells of the larger modality up to which all are compared with all; four times as many on a GPU. Fewer, where
        they would not fit in memory.
    """

    name = "auto"
    references = ()
    uses_known = True

    def __init__(
        self,
        *,
        min_pairs: Annotated[int, Field(ge=1)] = 5,
        min_links: Annotated[int, Field(ge=1)] = 10,
        most_cells: Annotated[int, Field(ge=0)] = 2000,
    ) -> None:
        self.min_pairs = min_pairs
        self.min_links = min_links
        self.most_cells = most_cells

    def _infer(self, a: View, b: View, known: Correspondence, context: Context) -> Inferred:
        choice = self.choose(a, b, known, context)
        log.info("%s: auto picks %s, because %s", context.stage, choice.inferer.name, choice.because)
        found = choice.inferer.infer(a, b, known, context)
        said = {"picked": choice.inferer.name, "because": choice.because}
        return replace(found, diagnostics={**found.diagnostics, **said})

    def choose(self, a: View, b: View, known: Correspondence, context: Context) -> Choice:
        """Pick an inferer for two modalities of which these pairs are known."""
        n_pairs, n_links = _number_of_pairs(known), _number_of_links(a, b)
        if n_pairs >= self.min_pairs:
            from jamie.correspondence.seeded import Seeded

            return Choice(Seeded(), f"{_counted(n_pairs, 'pair')} known, of which {self.min_pairs} are enough")
        few = f"only {_counted(n_pairs, 'pair')} known" if n_pairs else "no pair is known"
        if n_links >= self.min_links:
            from jamie.correspondence.mutual_nearest import MutualNearest

            return Choice(MutualNearest(), f"{few}, but {n_links} features are linked")
        few += f" and only {n_links} features are linked" if n_links else " and no features are linked"
        return self._unsupervised(a, b, few, context)

    def _unsupervised(self, a: View, b: View, few: str, context: Context) -> Choice:
        """Pick an inferer that goes by distances within each modality."""
        from jamie.correspondence.gromov_wasserstein import GromovWasserstein
        from jamie.correspondence.hierarchical import Hierarchical

        n_cells, whole = max(a.n_cells, b.n_cells), GromovWasserstein()
        most = self.most_cells * (1 if context.device == "cpu" else ON_ACCELERATOR)
        if n_cells > most:
            return Choice(Hierarchical(), f"{few}, and {n_cells} cells are more than {most} ({context.device})")
        needed = whole._memory(a, b)
        if needed > context.memory_limit:
            sizes = f"{needed / 2**30:.1f} GiB, the limit being {context.memory_limit / 2**30:.1f} GiB"
            return Choice(Hierarchical(), f"{few}, and {whole.name} on {n_cells} cells would need {sizes}")
        return Choice(whole, f"{few}, and {n_cells} cells are few enough to compare all")


def _number_of_pairs(known: Correspondence) -> int:
    """Cells that have a known partner, in the modality that has fewer such cells."""
    return int(min((np.diff(side.matrix.indptr) > 0).sum() for side in (known, known.T)))


def _number_of_links(a: View, b: View) -> int:
    """Features that are linked with another, in the modality that has fewer such features."""
    links = a.links.get(b.modality)
    if links is None:
        return 0
    return int(min((np.diff(side.indptr) > 0).sum() for side in (links.tocsr(), links.T.tocsr())))


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun} is" if n == 1 else f"{n} {noun}s are"
