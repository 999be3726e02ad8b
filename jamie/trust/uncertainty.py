"""What a model knows of how far it can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from jamie.trust.calibration import Calibration
from jamie.trust.distance import CellDistance

_CELLS = "cells"


@dataclass(frozen=True)
class Trust:
    """Calibrated directions, and the modalities whose cells can be ranked by their distance to the training cells.

    Parameters
    ----------
    calibrations
        By source and target; a direction without calibration cells is absent.
    distances
        By modality; one with too few training cells is absent.
    """

    calibrations: Mapping[tuple[str, str], Calibration] = field(default_factory=dict)
    distances: Mapping[str, CellDistance] = field(default_factory=dict)

    def state(self, modalities: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Arrays from which `from_state` restores it, by the modalities' positions: ``0.1.lower``, ``0.cells.axes``."""
        at = {name: i for i, name in enumerate(modalities)}
        found = {(f"{at[a]}.{at[b]}"): one.state() for (a, b), one in self.calibrations.items()}
        found |= {f"{at[m]}.{_CELLS}": one.state() for m, one in self.distances.items()}
        return {f"{prefix}.{name}": array for prefix, arrays in found.items() for name, array in arrays.items()}

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]], modalities: Sequence[str]) -> Self:
        """Restore what `state` gave for the same modalities."""
        parts: dict[tuple[str, str], dict[str, NDArray[np.generic]]] = {}
        for key, array in arrays.items():
            source, target, name = key.split(".")
            parts.setdefault((source, target), {})[name] = array
        calibrations, distances = {}, {}
        for (source, target), part in parts.items():
            if target == _CELLS:
                distances[modalities[int(source)]] = CellDistance.from_state(part)
            else:
                calibrations[modalities[int(source)], modalities[int(target)]] = Calibration.from_state(part)
        return cls(calibrations, distances)
