"""Which modalities, cells and labels an explanation is of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.context import Context
from jamie.core.errors import DataError
from jamie.core.evaluation import EmbeddedPair
from jamie.core.explanation import Explainable
from jamie.core.suggest import suggest_names
from jamie.explain.removal import Indices

CellChoice: TypeAlias = Literal["all", "held_out", "train"]

_FEWEST_PAIRS = 3  # of which a correlation says something


def choose_modality(subject: Explainable, name: str | None, where: str, other_than: str | None = None) -> str:
    """Return a modality of the model, the first one by default.

    Raises
    ------
    DataError
        Where the model has none of that name, or it is the one that it must not be.
    """
    names = [m for m in subject.dataset.modalities if m != other_than]
    if not names:
        raise DataError(
            f"expected two modalities, found {other_than} alone", where=where, fix="explain a model of several"
        )
    if name is None:
        return names[0]
    if name not in names:
        than = f" other than {other_than}" if name == other_than else ""
        raise DataError(
            f"expected a modality of the model{than}, found '{name}'", where=where, fix=suggest_names(name, names)
        )
    return name


def choose_label(subject: Explainable, label: str | None, modalities: tuple[str, ...], where: str) -> str:
    """Return a column of obs that all these modalities have, the first of the spec's labels by default.

    Raises
    ------
    DataError
        Where there is none.
    """
    columns = {m: subject.dataset.modalities[m].obs.columns for m in modalities}
    shared = [str(c) for c in columns[modalities[0]] if all(c in of for of in columns.values())]
    if label is None:
        usable = [name for name in subject.dataset.labels if name in shared]
        if not usable:
            raise DataError(
                f"expected labels of {' and '.join(modalities)}, found none",
                where=where,
                fix="name a column of obs under labels of the spec, or as the label of the explainer",
            )
        return usable[0]
    if label not in shared:
        absent = ", ".join(m for m, of in columns.items() if label not in of)
        raise DataError(
            f"expected the column '{label}' in obs, found none in {absent or 'any modality'}",
            where=where,
            fix=suggest_names(label, shared),
        )
    return label


def choose_features(features: pd.Index, wanted: list[str] | None, where: str) -> pd.Index:
    """Return features by their names, all by default.

    Raises
    ------
    DataError
        Where one is unknown, or the list is empty.
    """
    if wanted is None:
        return features
    if not wanted:
        raise DataError(
            "expected at least one feature, found an empty list", where=where, fix="name some, or leave the list out"
        )
    asked = pd.Index(list(dict.fromkeys(wanted)))
    absent = [str(name) for name in asked[features.get_indexer(asked) < 0]]
    if absent:
        raise DataError(
            f"expected features of the modality, found {len(absent)} other{'s' * (len(absent) > 1)}; "
            f"the first is '{absent[0]}'",
            where=where,
            fix=suggest_names(absent[0], features, most=5),
        )
    return asked


def choose_cells(
    subject: Explainable, modalities: tuple[str, ...], which: CellChoice | None, most: int | None, context: Context
) -> dict[str, Indices]:
    """Choose cells of each modality, by their indices; held-out ones by default, where there are any.

    Where there are more than `most`, that many are drawn: partners stay together.

    Raises
    ------
    DataError
        Where a modality has no such cell.
    """
    held_out = all(subject.split.held_out[m].any() for m in modalities)
    kind = which or ("held_out" if held_out else "all")
    masks: Mapping[str, NDArray[np.bool_]] = {"train": subject.split.train, "held_out": subject.split.held_out}.get(
        kind, {m: np.ones(subject.dataset.sizes[m], bool) for m in modalities}
    )
    found = {m: np.flatnonzero(masks[m]) for m in modalities}
    for m, cells in found.items():
        if not len(cells):
            raise DataError(
                f"expected cells of {m} for `cells: {kind}`, found none",
                where=f"modality '{m}'",
                fix="choose `cells: all`, or hold out cells by evaluate.holdout",
            )
    if most is None or all(len(cells) <= most for cells in found.values()):
        return found
    return _drawn(subject, found, most, context.generator())


def _drawn(
    subject: Explainable, cells: Mapping[str, Indices], most: int, generator: np.random.Generator
) -> dict[str, Indices]:
    """Draw at most so many cells of each modality: the partners of those drawn of the first, then others."""
    first, *others = cells
    kept = {first: generator.permutation(cells[first])[:most]}
    for m in others:
        partner = subject.dataset.truth.between(first, m).best_partner()[kept[first]]
        partners = np.intersect1d(partner, cells[m])
        rest = generator.permutation(np.setdiff1d(cells[m], partners))
        kept[m] = np.concatenate([partners, rest])[:most]
    return {m: np.sort(index) for m, index in kept.items()}


def embedded_pair(
    subject: Explainable, source: str, target: str, cells: Mapping[str, Indices], label: str | None
) -> EmbeddedPair:
    """Latents, true partners and labels of some cells of two modalities."""
    data = subject.dataset
    z = {m: subject.embed(m, subject.scores(m)[cells[m]], cells[m]) for m in (source, target)}
    labels = {m: None if label is None else data.modalities[m].labels(label)[cells[m]] for m in (source, target)}
    truth = sparse.csr_array(data.truth.between(source, target).matrix[cells[source]][:, cells[target]])
    return EmbeddedPair(source, target, z[source], z[target], truth, labels[source], labels[target])


def subset_pair(pair: EmbeddedPair, source: Indices, target: Indices) -> EmbeddedPair:
    """Keep some cells of both modalities."""
    labels = [None if of is None else of[at] for of, at in ((pair.labels_source, source), (pair.labels_target, target))]
    truth = sparse.csr_array(pair.truth[source][:, target])
    return EmbeddedPair(pair.source, pair.target, pair.z_source[source], pair.z_target[target], truth, *labels)


def require_pairs(truth: sparse.csr_array, source: str, target: str, where: str) -> None:
    """Refuse cells of which too few are known to be the same."""
    if truth.nnz < _FEWEST_PAIRS:
        raise DataError(
            f"expected at least {_FEWEST_PAIRS} cells that are known to be the same in {source} and {target}, "
            f"found {truth.nnz}",
            where=where,
            fix="choose other cells (`cells: all`), or metric: label_transfer_accuracy",
        )


def labelled_cells(pair: EmbeddedPair, where: str) -> tuple[Indices, Indices]:
    """Return which cells of the source and of the target have a label.

    Raises
    ------
    DataError
        Where none has one.
    """
    found = []
    for m, labels in ((pair.source, pair.labels_source), (pair.target, pair.labels_target)):
        index = np.flatnonzero(pd.notna(labels)) if labels is not None else np.empty(0, np.intp)
        if not len(index):
            raise DataError(
                f"expected labels, found none for the cells of {m}",
                where=where,
                fix="choose another label, or other cells",
            )
        found.append(index)
    return found[0], found[1]
