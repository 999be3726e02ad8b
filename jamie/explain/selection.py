"""Choice of the modalities, labels, features and cells that an explanation is about."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.context import Context
from jamie.core.errors import DataError
from jamie.core.explanation import Explainable
from jamie.core.suggest import suggest_names
from jamie.explain.removal import Indices

CellSubset: TypeAlias = Literal["all", "held_out", "train"]


def require_known(names: Iterable[object], known: Collection[str], expected: str, where: str) -> None:
    """Refuse names that are not among the known ones.

    Raises
    ------
    DataError
        If a name is unknown.
    """
    unknown = [str(name) for name in names if name not in known]
    if unknown:
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        fix = suggest_names(unknown[0], map(str, known), most=10)
        raise DataError(f"expected {expected}, found '{unknown[0]}'{more}", where=where, fix=fix)


def choose_modality(subject: Explainable, name: str | None, where: str, other_than: str | None = None) -> str:
    """Return a modality of the model, the first one by default.

    Raises
    ------
    DataError
        If the model has no modality of that name, or it is `other_than`.
    """
    names = [m for m in subject.dataset.modalities if m != other_than]
    if not names:
        raise DataError(
            f"expected two modalities, found {other_than} alone", where=where, fix="explain a model of several"
        )
    if name is None:
        return names[0]
    require_known([name], names, f"a modality of the model{f' other than {name}' * (name == other_than)}", where)
    return name


def default_label(subject: Explainable, modalities: tuple[str, ...]) -> str | None:
    """Return the first of the spec's labels that all these modalities have; None if there is none."""
    tables = [subject.dataset.modalities[m].obs for m in modalities]
    return next((label for label in subject.dataset.labels if all(label in obs for obs in tables)), None)


def choose_label(subject: Explainable, label: str | None, modalities: tuple[str, ...], where: str) -> str:
    """Return a column of obs that all these modalities have, the first of the spec's labels by default.

    Raises
    ------
    DataError
        If there is none.
    """
    label = default_label(subject, modalities) if label is None else label
    if label is None:
        raise DataError(
            f"expected labels of {' and '.join(modalities)}, found none",
            where=where,
            fix="name a column of obs under labels of the spec, or as the label of the explainer",
        )
    columns = {m: subject.dataset.modalities[m].obs.columns for m in modalities}
    shared = [str(c) for c in columns[modalities[0]] if all(c in available for available in columns.values())]
    if label not in shared:
        absent = ", ".join(m for m, available in columns.items() if label not in available)
        raise DataError(
            f"expected the column '{label}' in obs, found none in {absent or 'any modality'}",
            where=where,
            fix=suggest_names(label, shared),
        )
    return label


def choose_features(features: pd.Index, names: Sequence[str] | None, where: str) -> pd.Index:
    """Return features by their names, all by default.

    Raises
    ------
    DataError
        If a name is unknown, or the list is empty.
    """
    if names is None:
        return features
    require_features(names, where)
    require_known(names, features, "features of the modality", where)
    return pd.Index(list(dict.fromkeys(names)))


def require_features(names: Sequence[object], where: str) -> None:
    """Refuse an empty list of features."""
    if not names:
        raise DataError(
            "expected at least one feature, found an empty list", where=where, fix="name features, or omit the option"
        )


def labelled_cells(subject: Explainable, modality: str, label: str, cells: Indices, where: str) -> NDArray[np.bool_]:
    """(n,) whether each of the cells has a label.

    Raises
    ------
    DataError
        If none has one.
    """
    labelled = pd.notna(subject.dataset.modalities[modality].labels(label)[cells])
    if not labelled.any():
        raise DataError(
            f"expected cells of {modality} with a label, found none among {len(labelled)}",
            where=f"{where}, label '{label}'",
            fix="name another column of obs, or choose other cells",
        )
    return labelled


@dataclass(frozen=True)
class CellSelection:
    """Which cells of a model are used.

    Parameters
    ----------
    subset
        ``all``, ``held_out`` or ``train``; by default the held-out cells if there are any, otherwise all.
    max_cells
        Largest number of cells of a modality, drawn at random; None for all.
    context
        For its random generator.
    """

    subset: CellSubset | None
    max_cells: int | None
    context: Context

    def positions(self, subject: Explainable, modalities: tuple[str, ...]) -> dict[str, Indices]:
        """Positions of the selected cells of each modality, sorted. Partners are drawn together.

        Raises
        ------
        DataError
            If a modality has no such cell.
        """
        split, sizes = subject.split, subject.dataset.sizes
        held_out = all(split.held_out[m].any() for m in modalities)
        subset = self.subset or ("held_out" if held_out else "all")
        masks = {"train": split.train, "held_out": split.held_out}
        cells = {m: np.arange(sizes[m]) if subset == "all" else np.flatnonzero(masks[subset][m]) for m in modalities}
        for m, positions in cells.items():
            if not len(positions):
                raise DataError(
                    f"expected cells of {m} for `cells: {subset}`, found none",
                    where=f"modality '{m}'",
                    fix="choose `cells: all`, or hold out cells by evaluate.holdout",
                )
        if self.max_cells is None or all(len(positions) <= self.max_cells for positions in cells.values()):
            return cells
        return self._draw(subject, cells, self.max_cells)

    def _draw(self, subject: Explainable, cells: Mapping[str, Indices], n: int) -> dict[str, Indices]:
        """Draw up to n cells of each modality: first the partners of the cells drawn of the first, then others."""
        generator = self.context.generator()
        first, *others = cells
        drawn = {first: generator.permutation(cells[first])[:n]}
        for m in others:
            partner = subject.dataset.truth.between(first, m).best_partner()[drawn[first]]
            partners = np.intersect1d(partner, cells[m])
            rest = generator.permutation(np.setdiff1d(cells[m], partners))
            drawn[m] = np.concatenate([partners, rest])[:n]
        return {m: np.sort(positions) for m, positions in drawn.items()}
