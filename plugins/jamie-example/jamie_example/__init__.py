"""A loss and a correspondence inferer, offered to jamie through its one hook."""

from jamie_example.rank_matching import RankMatching
from jamie_example.sparsity import Sparsity

__all__ = ["RankMatching", "Sparsity", "jamie_components"]


def jamie_components() -> list[type]:
    """Return the components of this distribution."""
    return [Sparsity, RankMatching]
