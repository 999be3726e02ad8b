"""The choice of an inferer by what is known of the cells."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Annotated

import numpy as np
from pydantic import Field
from scipy import sparse

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Inferred
from jamie.core.data import View
from jamie.core.interfaces import CorrespondenceInferer
from jamie.correspondence.arrays import Diagnostics
from jamie.correspondence.couplings.coupling import ALL_PAIRS

log = logging.getLogger(__name__)

ACCELERATOR_FACTOR = 4  # times as many cells can all be compared if the device is not a CPU


class Auto(CorrespondenceInferer):
    """Picks an inferer by known pairs, linked features, number of cells, device and memory, and says which and why.

    `seeded` if enough pairs are known, since known pairs are worth more than anything else; else `mutual_nearest` if
    enough features are linked. If no pair is known, and there are at most 2**24 pairs of cells,
    `multistart_gromov_wasserstein`, unless its optima disagree (its `agreement` is below `min_agreement`). Else
    `gromov_wasserstein` if the cells are few enough to compare all with all, and `hierarchical` if they are not. The
    diagnostics name the inferer (`picked`) and the reason (`because`); those of `multistart_gromov_wasserstein` name
    its optima, also where another inferer was picked in the end.

    Parameters
    ----------
    min_pairs : int
        Known pairs that are enough.
    min_links : int
        Linked features that are enough.
    most_cells : int
        Cells of the larger modality up to which all are compared with all; four times as many on a GPU, and fewer if
        they would not fit in memory.
    min_agreement : float
        Agreement of the optima of `multistart_gromov_wasserstein` that is enough. Where it was chosen it was 0.50
        or more on sets on which it found partners, and 0.45 or less where it did not; it varies with the seed by 0.1.
    """

    name = "auto"

    def __init__(
        self,
        *,
        min_pairs: Annotated[int, Field(ge=1)] = 5,
        min_links: Annotated[int, Field(ge=1)] = 10,
        most_cells: Annotated[int, Field(ge=0)] = 2000,
        min_agreement: Annotated[float, Field(ge=0, le=1)] = 0.47,
    ) -> None:
        self.min_pairs = min_pairs
        self.min_links = min_links
        self.most_cells = most_cells
        self.min_agreement = min_agreement

    def _infer(self, a: View, b: View, known: Correspondence, context: Context) -> Inferred:
        inferer, reason = self.choose(a, b, known, context)
        log.info("%s: auto picks %s, because %s", context.stage, inferer.name, reason)
        inferred = inferer.infer(a, b, known, context)
        tried: Diagnostics = {}
        agreement = float(inferred.diagnostics.get("agreement", 1))
        if agreement < self.min_agreement:
            tried = {
                name: inferred.diagnostics[name] for name in ("candidates", "optima", "optima_weights", "agreement")
            }
            disagreement = (
                f"no pair is known, the optima of {inferer.name} disagree (agreement {agreement:.2f}, "
                f"{self.min_agreement:g} is enough)"
            )
            inferer, reason = self._unsupervised(a, b, disagreement, context)
            log.info("%s: auto picks %s, because %s", context.stage, inferer.name, reason)
            inferred = inferer.infer(a, b, known, context)
        diagnostics = {**tried, **inferred.diagnostics, "picked": inferer.name, "because": reason}
        return replace(inferred, diagnostics=diagnostics)

    def choose(self, a: View, b: View, known: Correspondence, context: Context) -> tuple[CorrespondenceInferer, str]:
        """Pick an inferer, with its default parameters, for two modalities with these known pairs; say why."""
        from jamie.correspondence.multistart_gromov_wasserstein import MultistartGromovWasserstein
        from jamie.correspondence.mutual_nearest import MutualNearest
        from jamie.correspondence.seeded import Seeded

        n_pairs, n_links = _smaller_side(known.matrix), _smaller_side(a.links.get(b.modality))
        pairs = f"{n_pairs} pair is" if n_pairs == 1 else f"{n_pairs} pairs are"
        if n_pairs >= self.min_pairs:
            return Seeded(), f"{pairs} known, of which {self.min_pairs} are enough"
        reason = f"only {pairs} known" if n_pairs else "no pair is known"
        if n_links >= self.min_links:
            return MutualNearest(), f"{reason}, but {n_links} features are linked"
        reason += f" and only {n_links} features are linked" if n_links else " and no features are linked"
        multistart = MultistartGromovWasserstein()
        if not n_pairs and a.n_cells * b.n_cells <= ALL_PAIRS and multistart._memory(a, b) <= context.memory_limit:
            return multistart, reason
        return self._unsupervised(a, b, reason, context)

    def _unsupervised(self, a: View, b: View, reason: str, context: Context) -> tuple[CorrespondenceInferer, str]:
        """Pick an inferer that uses only distances within each modality."""
        from jamie.correspondence.gromov_wasserstein import GromovWasserstein
        from jamie.correspondence.hierarchical import Hierarchical

        n_cells, dense = max(a.n_cells, b.n_cells), GromovWasserstein()
        most = self.most_cells * (1 if context.device == "cpu" else ACCELERATOR_FACTOR)
        if n_cells > most:
            return Hierarchical(), f"{reason}, and {n_cells} cells are more than {most} ({context.device})"
        needed = dense._memory(a, b)
        if needed > context.memory_limit:
            sizes = f"{needed / 2**30:.1f} GiB, the limit being {context.memory_limit / 2**30:.1f} GiB"
            return Hierarchical(), f"{reason}, and {dense.name} on {n_cells} cells would need {sizes}"
        return dense, f"{reason}, and {n_cells} cells are few enough to compare all"


def _smaller_side(links: sparse.csr_array | None) -> int:
    """Rows that have entries, or columns, whichever are fewer: cells with a partner, or linked features."""
    if links is None:
        return 0
    return int(min((np.diff(side.indptr) > 0).sum() for side in (links.tocsr(), links.T.tocsr())))
