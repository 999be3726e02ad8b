"""How far cells lie from those whose partner is known, within their own modality."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jamie.correspondence.graphs.neighbors import nearest

COMPONENTS = 20  # leading scores that are compared
NEIGHBORS = 3
MOST_KNOWN = 2000
USUAL = 0.95  # part of the known cells that lie no further from the others than is usual
MARGIN = 1.25  # and how much further a cell may
WIDTH = 0.25  # of the fall beyond, in usual distances


def familiarity(
    scores: NDArray[np.floating], known: NDArray[np.int64], generator: np.random.Generator
) -> NDArray[np.float32]:
    """(n,) from 1, for cells as near to known ones as these are to each other, down to 0 for cells far from all.

    A type of cells of which no pair is known may lack a partner altogether, and nothing was learned of it: in the space
    that is learned from the others its cells can still fall beside any of them.

    Parameters
    ----------
    scores : (n, d)
        Of one modality.
    known
        Cells whose partner is known, at least two.
    generator
        Chooses some of very many known cells.
    """
    x = scores[:, :COMPONENTS]
    among = generator.permutation(known)[:MOST_KNOWN]
    k = min(NEIGHBORS, len(among) - 1)
    of_known = nearest(x[among], x[among], k + 1)[1][:, 1:].mean(axis=1)
    usual = MARGIN * float(np.quantile(of_known, USUAL))
    far = nearest(x, x[among], k)[1].mean(axis=1)
    excess = np.maximum(far / max(usual, np.finfo(np.float32).tiny) - 1, 0)
    return np.asarray(np.exp(-((excess / WIDTH) ** 2) / 2), np.float32)
