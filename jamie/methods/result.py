"""Latents and imputed values of one method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from jamie.core.data import Matrix, Split
from jamie.core.resources import ResourceUsage
from jamie.methods.known_pairs import Direction

Rows: TypeAlias = "NDArray[np.int64] | slice"
Columns: TypeAlias = "NDArray[np.int64] | None"


class Values(Protocol):
    """Imputed values of some cells, in units; of large matrices, those of some features alone are read."""

    def __call__(self, rows: Rows, columns: Columns = None, /) -> Matrix:
        """Return (k, p) values, or (k, c) of the given features."""


class Bounds(Protocol):
    """Lower and upper bounds of imputed values of some cells, and features; None where there are none."""

    def __call__(
        self, rows: Rows, columns: Columns = None, /
    ) -> tuple[NDArray[np.floating], NDArray[np.floating]] | None:
        """Return (k, p) bounds, or (k, c) of the given features."""


@dataclass(frozen=True)
class MethodResult:
    """Latents and imputed values of one method, or why there are none.

    Parameters
    ----------
    method
        Its name in tables and files, unique in a run.
    component
        Name of the component.
    parameters
        Of the component.
    tuning
        Settings that it chose by the training cells, with the candidates and their error; empty if it chose none.
    status
        ``done``; ``refused`` if the method cannot be used on these cells; ``failed`` if it broke.
    reason
        Why there is no result.
    inductive
        Whether it embeds any cells, or only those that it was fitted on.
    uses_labels
        Whether it reads the labels of the cells that it imputes from: a control, no method to use.
    preparation, training
        Time and memory of each. The preprocessing, which all methods share, is part of every preparation.
    latents
        (n_m, L) of each modality, rows of NaN for cells that were not embedded; empty if it does not embed.
    imputed
        For source and target, values (k, p) in the target's units for given cells of the source; empty if it does
        not impute.
    intervals
        For source and target, lower and upper bounds (k, p) of the imputed values.
    """

    method: str
    component: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    tuning: Mapping[str, Any] = field(default_factory=dict)
    status: Literal["done", "refused", "failed"] = "done"
    reason: str = ""
    inductive: bool = True
    uses_labels: bool = False
    preparation: ResourceUsage | None = None
    training: ResourceUsage | None = None
    latents: Mapping[str, NDArray[np.floating]] = field(default_factory=dict)
    imputed: Mapping[Direction, Values] = field(default_factory=dict)
    intervals: Mapping[Direction, Bounds] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """All but the values, for json."""
        described = {k: v for k, v in vars(self).items() if k not in ("latents", "imputed", "intervals")}
        described |= {"embeds": bool(self.latents), "imputes": bool(self.imputed)}
        return described | {name: usage and asdict(usage) for name, usage in self.usage.items()}

    @property
    def usage(self) -> dict[str, ResourceUsage | None]:
        """Time and memory by phase."""
        return {"preparation": self.preparation, "training": self.training}

    def embeds_all(self, cells: Mapping[str, NDArray[np.int64]], split: Split) -> bool:
        """Whether all the given cells (indices) of each modality are embedded."""
        trained = all(split.train[m][index].all() for m, index in cells.items())
        return bool(self.latents) and (self.inductive or trained)
