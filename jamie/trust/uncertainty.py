"""What a trained model knows of the uncertainty of its predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any, Self

from numpy.typing import NDArray

from jamie.core.prefixes import add_prefix, select_prefix
from jamie.core.sources import JointSources, weighed_sources
from jamie.trust.calibration import Calibration
from jamie.trust.novelty import NoveltyScore
from jamie.trust.source_weights import SourceWeights

_NOVELTY = "novelty"


@dataclass(frozen=True)
class Uncertainty:
    """Calibration of imputed values, weights of sources that impute together, and novelty scores of cells.

    Parameters
    ----------
    calibrations
        By source and target; a direction without calibration cells is absent.
    novelty
        By modality; one with too few training cells is absent.
    combinations
        By several sources and their target; sources without common calibration cells are absent.
    """

    calibrations: Mapping[tuple[str, str], Calibration] = field(default_factory=dict)
    novelty: Mapping[str, NoveltyScore] = field(default_factory=dict)
    combinations: Mapping[JointSources, SourceWeights] = field(default_factory=dict)

    def state(self, modalities: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Arrays for `from_state`, named by positions of modalities: ``0.1.lower``, ``0+2.1.weights``."""
        index = {m: str(i) for i, m in enumerate(modalities)}
        arrays: dict[str, NDArray[Any]] = {}
        for (a, b), calibration in self.calibrations.items():
            arrays |= add_prefix(f"{index[a]}.{index[b]}", calibration.state())
        for m, score in self.novelty.items():
            arrays |= add_prefix(f"{index[m]}.{_NOVELTY}", score.state())
        for joint, combination in self.combinations.items():
            arrays |= add_prefix(_key(joint, index), combination.state())
        return arrays

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]], modalities: Sequence[str]) -> Self:
        """Restore the result of `state` for the same modalities."""
        numbered = list(enumerate(modalities))
        calibrations = {(a, b): select_prefix(f"{i}.{j}", arrays) for (i, a), (j, b) in permutations(numbered, 2)}
        novelty = {m: select_prefix(f"{i}.{_NOVELTY}", arrays) for i, m in numbered}
        index = {m: str(i) for i, m in numbered}
        combinations = {joint: select_prefix(_key(joint, index), arrays) for joint in weighed_sources(modalities)}
        return cls(
            {direction: Calibration.from_state(state) for direction, state in calibrations.items() if state},
            {m: NoveltyScore(**state) for m, state in novelty.items() if state},
            {joint: SourceWeights.from_state(state) for joint, state in combinations.items() if state},
        )


def _key(joint: JointSources, index: Mapping[str, str]) -> str:
    return f"{'+'.join(index[source] for source in joint.sources)}.{index[joint.target]}"
