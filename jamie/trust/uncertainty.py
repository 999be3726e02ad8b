"""What a trained model knows of the uncertainty of its predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from jamie.trust.calibration import Calibration
from jamie.trust.novelty import NoveltyScore

_NOVELTY = "novelty"


@dataclass(frozen=True)
class Uncertainty:
    """Calibration of imputed values, and novelty scores of cells.

    Parameters
    ----------
    calibrations
        By source and target; a direction without calibration cells is absent.
    novelty
        By modality; one with too few training cells is absent.
    """

    calibrations: Mapping[tuple[str, str], Calibration] = field(default_factory=dict)
    novelty: Mapping[str, NoveltyScore] = field(default_factory=dict)

    def state(self, modalities: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Arrays for `from_state`, named by positions of modalities: ``0.1.lower``, ``0.novelty.axes``."""
        index = {m: str(i) for i, m in enumerate(modalities)}
        states = {f"{index[a]}.{index[b]}": part.state() for (a, b), part in self.calibrations.items()}
        states |= {f"{index[m]}.{_NOVELTY}": part.state() for m, part in self.novelty.items()}
        return {f"{prefix}.{name}": array for prefix, arrays in states.items() for name, array in arrays.items()}

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]], modalities: Sequence[str]) -> Self:
        """Restore the result of `state` for the same modalities."""
        states: dict[tuple[str, str], dict[str, NDArray[np.generic]]] = {}
        for key, array in arrays.items():
            source, target, name = key.split(".")
            states.setdefault((source, target), {})[name] = array
        name_of = {str(i): m for i, m in enumerate(modalities)}
        return cls(
            {(name_of[a], name_of[b]): Calibration.from_state(s) for (a, b), s in states.items() if b != _NOVELTY},
            {name_of[a]: NoveltyScore.from_state(s) for (a, b), s in states.items() if b == _NOVELTY},
        )
