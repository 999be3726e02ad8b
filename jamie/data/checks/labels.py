"""Columns of obs that hold labels, batches and held-out groups: they must mean the same in every modality."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.correspondence import Correspondence, Correspondences
from jamie.core.data import ModalityData
from jamie.core.errors import DataError
from jamie.core.labels import is_continuous
from jamie.core.matrix import format_percent
from jamie.core.suggest import suggest_names
from jamie.data.checks.messages import first_names

MIN_AGREEMENT = 0.5  # share of the matched cells; below it, a column hardly means the same in both modalities
MAX_BATCHES = 50  # a column of more values identifies cells, not batches
N_SHOWN = 3

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Grouping:
    """A column of obs that divides cells into groups.

    Parameters
    ----------
    column
        Its name.
    where
        Setting that names it, for messages.
    strict
        Whether groups that differ between modalities are an error. They are where groups are held out: cells of a
        held-out group would be trained on in another modality.
    """

    column: str
    where: str
    strict: bool = False

    def warn(self, problem: str, fix: str) -> None:
        """Warn, or raise a `DataError` where it is strict."""
        if self.strict:
            raise DataError(problem, where=self.where, fix=fix)
        log.warning("%s: %s; %s", self.where, problem, fix)


def require_labels(labels: Iterable[str], modalities: Mapping[str, ModalityData], where: str) -> None:
    """Refuse a label that no modality has."""
    columns = list(dict.fromkeys(str(column) for data in modalities.values() for column in data.obs.columns))
    for label in labels:
        if label not in columns:
            problem = f"expected a column '{label}' in obs, found it in no modality"
            raise DataError(problem, where=where, fix=suggest_names(label, columns))


def require_batches(column: str | None, modalities: Mapping[str, ModalityData], where: str) -> None:
    """Refuse a batch column that a modality lacks, or that has gaps; warn of very many batches.

    Parameters
    ----------
    column
        Of obs; None without batches.
    modalities
        With the columns that only the MuData's own obs has.
    where
        Of the setting, for messages.

    Raises
    ------
    DataError
        Naming the modality, and the number of cells without a batch.
    """
    if column is None:
        return
    carriers = [name for name, data in modalities.items() if column in data.obs]
    for name, data in modalities.items():
        if column not in data.obs:
            there = f"{', '.join(carriers)} has it: put it into obs of '{name}' too, or into the MuData's own obs"
            raise DataError(
                f"expected a column '{column}' in obs of modality '{name}' or of the MuData, found it in neither",
                where=where,
                fix=there if carriers else suggest_names(column, data.obs.columns),
            )
        n_missing = int(data.obs[column].isna().sum())
        if n_missing:
            raise DataError(
                f"expected a batch for every cell, found {n_missing} cells of modality '{name}' "
                f"({format_percent(n_missing, data.n_cells)}) without one in obs '{column}'",
                where=where,
                fix="fill the gaps, perhaps with a value of their own such as 'unknown', or remove these cells",
            )
    n_batches = len({value for data in modalities.values() for value in data.labels(column)})
    if n_batches > MAX_BATCHES:
        log.warning(
            "%s: obs '%s' has %d values; batches with few cells teach the networks little, and may let them memorise "
            "cells: choose a coarser column",
            *(where, column, n_batches),
        )


def check_groupings(
    labels: Sequence[str],
    batch_key: str | None,
    group: str | None,
    modalities: Mapping[str, ModalityData],
    truth: Correspondences,
    where: Callable[[str], str],
) -> None:
    """Report columns that differ in meaning between modalities, or hold no classes.

    Parameters
    ----------
    labels, batch_key, group
        Columns of obs that hold labels, batches, and the groups of which whole ones are held out.
    modalities
        With the columns that they have themselves.
    truth
        Pairs that count as true.
    where
        Gives the position of a setting in the spec.

    Raises
    ------
    DataError
        Where a column holds measurements, or held-out groups are not the same in every modality.
    """
    groupings = [Grouping(column, where("labels")) for column in labels]
    groupings += [Grouping(batch_key, where("batch_key"))] if batch_key else []
    groupings += [Grouping(group, where("evaluate.holdout.group"), strict=True)] if group else []
    for grouping in groupings:
        check_grouping(grouping, modalities, truth)
    for label in labels:
        _log_single_cells(where("labels"), label, modalities)


def check_grouping(grouping: Grouping, modalities: Mapping[str, ModalityData], truth: Correspondences) -> None:
    """Check one column as `check_groupings` does several."""
    column = grouping.column
    values: dict[str, NDArray[np.object_]] = {}
    for name, data in modalities.items():
        if column in data.obs:
            _require_classes(grouping, name, data.obs[column])
            values[name] = data.labels(column)
    if _warn_of_spellings(grouping, values):
        return  # which explains why cells disagree
    for (a, b), pairs in truth.items():
        if a in values and b in values:
            _check_agreement(grouping, a, b, pairs, values)


def _require_classes(grouping: Grouping, name: str, values: pd.Series) -> None:
    """Refuse measurements."""
    column = grouping.column
    if is_continuous(values):
        raise DataError(
            f"expected classes, such as cell types or donors, in obs '{column}' of {name}, found {values.nunique()} "
            f"different numbers from {values.min():.4g} to {values.max():.4g}, as of a measurement",
            where=grouping.where,
            fix=f"name another column; or cut it into classes, "
            f"obs['{column}_class'] = pd.cut(obs['{column}'], 5).astype(str); or, where the numbers are names, make "
            f"them text, obs['{column}'].astype(str)",
        )


def _warn_of_spellings(grouping: Grouping, values: Mapping[str, NDArray[np.object_]]) -> bool:
    """Report values that differ in case or spaces only; return whether there are any."""
    counts = {name: Counter(value for value in texts if value is not None) for name, texts in values.items()}
    spellings: dict[str, list[str]] = {}
    for text, _ in sum(counts.values(), Counter[str]()).most_common():
        spellings.setdefault(" ".join(text.replace("_", " ").split()).casefold(), []).append(text)
    variants = [texts for texts in spellings.values() if len(texts) > 1]
    if not variants:
        return False
    first = ", ".join(
        f"'{text}' ({', '.join(f'{n[text]} cells of {name}' for name, n in counts.items() if n[text])})"
        for text in variants[0]
    )
    renamed = {other: texts[0] for texts in variants for other in texts[1:]}
    fixes = {name: {old: new for old, new in renamed.items() if old in n} for name, n in counts.items()}
    column = grouping.column
    grouping.warn(
        f"spelled in several ways in obs '{column}', and counted as different: {first}"
        + (f", and {len(variants) - 1} more" if len(variants) > 1 else ""),
        "unite them: "
        + "; ".join(f"in {name}, obs['{column}'].astype(object).replace({old})" for name, old in fixes.items() if old),
    )
    return True


def _check_agreement(
    grouping: Grouping, a: str, b: str, pairs: Correspondence, values: Mapping[str, NDArray[np.object_]]
) -> None:
    """Report how many matched cells belong to different groups in the two modalities, and to which."""
    rows, columns = pairs.pairs()
    both = pd.DataFrame({"first": values[a][rows], "second": values[b][columns]}).dropna()
    same = (both["first"] == both["second"]).to_numpy()
    if same.all():  # or none is known in both
        return
    different = both[~same].value_counts()
    most = different.head(N_SHOWN).reset_index(name="cells").itertuples(index=False)
    shown = ", ".join(f"'{x}' in {a} is '{y}' in {b} ({n} cells)" for x, y, n in most)
    first, second = (both[name].value_counts(normalize=True) for name in both)
    agreement, chance = format_percent(same.sum(), len(both)), format_percent(float((first * second).sum()), 1)
    problem = (
        f"of {len(both)} matched cells only {agreement} carry the same '{grouping.column}' in {a} and in {b} "
        f"({chance} would by chance): {shown}{', ...' if len(different) > N_SHOWN else ''}"
    )
    if grouping.strict or same.mean() < MIN_AGREEMENT:
        fix = "give both modalities the same column, or rename the values of one so that equal names mean the same"
        grouping.warn(problem, fix)
    else:
        log.info("%s: %s", grouping.where, problem)


def _log_single_cells(where: str, label: str, modalities: Mapping[str, ModalityData]) -> None:
    """Log the values that a single cell has, and the categories that none has."""
    for name, data in modalities.items():
        if label not in data.obs:
            continue
        column, sizes = data.obs[label], pd.Series(data.labels(label), dtype=object).value_counts()
        single = sorted(sizes.index[sizes == 1])
        if single and len(single) < len(data.obs) / 2:  # else the evaluation warns
            log.info(
                "%s: %d of %d values of obs '%s' in %s have a single cell, which no other can be predicted from: %s",
                *(where, len(single), len(sizes), label, name, first_names(single, N_SHOWN, quoted=True)),
            )
        if isinstance(column.dtype, pd.CategoricalDtype):
            unused = sorted(map(str, column.cat.categories.difference(list(column.dropna().unique()))))
            if unused:
                log.info(
                    "%s: categories of obs '%s' in %s without a cell are ignored (%d): %s",
                    *(where, label, name, len(unused), first_names(unused, N_SHOWN, quoted=True)),
                )
