"""Modalities from which another is imputed at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from jamie.core.correspondence import Correspondences

JOIN = "+"  # between the names of several sources; not in the name of one
MOST_SOURCES = 2  # of the sets that are weighed beside those of all other modalities: others are rarely asked for


@dataclass(frozen=True)
class JointSources:
    """Modalities from which another is imputed at once.

    Parameters
    ----------
    sources
        One or more, in the order of the spec.
    target
        The modality that is imputed.

    Examples
    --------
    >>> JointSources(("rna", "protein"), "atac").name
    'rna+protein'
    """

    sources: tuple[str, ...]
    target: str

    @property
    def name(self) -> str:
        """What stands for the source in tables and in names of files."""
        return JOIN.join(self.sources)


def is_joint(source: str) -> bool:
    """Whether a name in a table stands for several sources."""
    return JOIN in source


def joint_cells(pairs: Correspondences, joint: JointSources) -> NDArray[np.int64]:
    """Rows (n, k) in each source of the cells that all sources have, in the order of the first one."""
    import numpy as np

    first, *others = joint.sources
    partners = [pairs.between(first, other).best_partner() for other in others]
    rows = np.stack([np.arange(pairs.sizes[first]), *partners], axis=1)
    return rows[rows.min(axis=1) >= 0]


def all_others(modalities: Sequence[str]) -> Iterator[JointSources]:
    """Yield each modality as imputed from all others together, where there are three or more."""
    for target in modalities if len(modalities) > MOST_SOURCES else ():
        yield JointSources(tuple(m for m in modalities if m != target), target)


def weighed_sources(modalities: Sequence[str]) -> Iterator[JointSources]:
    """Yield the sets of sources of each modality that a model is calibrated for: every two, and all together."""
    for joint in all_others(modalities):
        for size in sorted({MOST_SOURCES, len(joint.sources)}):
            for sources in combinations(joint.sources, size):
                yield JointSources(sources, joint.target)
