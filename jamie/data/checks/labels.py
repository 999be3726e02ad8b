"""Whether labels, batches and held-out groups mean the same in every modality: said before anything is fitted."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.correspondence import Correspondence, Correspondences
from jamie.core.data import ModalityData
from jamie.core.errors import DataError
from jamie.core.labels import is_continuous
from jamie.core.matrix import format_percent

AGREEING = 0.5  # of the matched cells; below this, a column hardly means the same in both modalities
SHOWN = 3

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Grouping:
    """A column of obs that divides cells into groups.

    Parameters
    ----------
    column
        Its name.
    where
        Of the setting that names it, for messages.
    strict
        Whether groups that do not mean the same in every modality are refused, as where they are held out: else cells
        of a group that is held out would be trained on in another modality.
    """

    column: str
    where: str
    strict: bool = False

    def caution(self, problem: str, fix: str) -> None:
        """Warn, or refuse."""
        if self.strict:
            raise DataError(problem, where=self.where, fix=fix)
        log.warning("%s: %s; %s", self.where, problem, fix)


def judge_groupings(
    labels: Sequence[str],
    batch_key: str | None,
    group: str | None,
    modalities: Mapping[str, ModalityData],
    truth: Correspondences,
    where: Callable[[str], str],
) -> None:
    """Tell where a column means other things in each modality, or is none of classes.

    Parameters
    ----------
    labels, batch_key, group
        Columns of obs that are scored, that tell batches apart, and of which whole groups are held out.
    modalities
        With the columns that they have themselves.
    truth
        Pairs that count as true.
    where
        Gives the place of a setting.

    Raises
    ------
    DataError
        Where a column holds measurements, or groups that are held out are not the same in every modality.
    """
    groupings = [Grouping(column, where("labels")) for column in labels]
    groupings += [Grouping(batch_key, where("batch_key"))] if batch_key else []
    groupings += [Grouping(group, where("evaluate.holdout.group"), strict=True)] if group else []
    for one in groupings:
        judge_grouping(one, modalities, truth)
    for label in labels:
        _notice_singles(where("labels"), label, modalities)


def judge_grouping(one: Grouping, modalities: Mapping[str, ModalityData], truth: Correspondences) -> None:
    """Tell of one column as `judge_groupings` does of several."""
    carriers = {name: data for name, data in modalities.items() if one.column in data.obs}
    for name, data in carriers.items():
        _require_classes(one, name, data.obs[one.column])
    texts = {name: data.labels(one.column) for name, data in carriers.items()}
    if _judge_spelling(one, texts):
        return  # cells disagree by this, at least
    for (a, b), pairs in truth.items():
        if a in texts and b in texts:
            _judge_agreement(one, a, b, pairs, texts)


def _judge_spelling(one: Grouping, texts: Mapping[str, NDArray[np.object_]]) -> bool:
    """Tell of values that differ by case or spaces only, and whether there are any."""
    counts = {name: Counter(text for text in values if text is not None) for name, values in texts.items()}
    total: Counter[str] = sum(counts.values(), Counter())
    spellings: dict[str, list[str]] = {}
    for text, _ in total.most_common():
        spellings.setdefault(" ".join(text.replace("_", " ").split()).casefold(), []).append(text)
    several = [found for found in spellings.values() if len(found) > 1]
    if several:
        _tell_spellings(one, several, counts)
    return bool(several)


def _require_classes(one: Grouping, name: str, values: pd.Series) -> None:
    """Refuse measurements."""
    if not is_continuous(values):
        return
    raise DataError(
        f"expected classes, such as cell types or donors, in obs '{one.column}' of {name}, found {values.nunique()} "
        f"different numbers from {values.min():.4g} to {values.max():.4g}, as of a measurement",
        where=one.where,
        fix=f"name another column; or cut it into classes, "
        f"obs['{one.column}_class'] = pd.cut(obs['{one.column}'], 5).astype(str); or, where the numbers are names, "
        f"make them text, obs['{one.column}'].astype(str)",
    )


def _tell_spellings(one: Grouping, several: Sequence[Sequence[str]], counts: Mapping[str, Counter[str]]) -> None:
    first = ", ".join(f"'{text}' ({_cells(text, counts)})" for text in several[0])
    united = {other: found[0] for found in several for other in found[1:]}
    places = [(name, {old: new for old, new in united.items() if old in found}) for name, found in counts.items()]
    one.caution(
        f"spelled in several ways in obs '{one.column}', and counted as different: {first}"
        + (f", and {len(several) - 1} more" if len(several) > 1 else ""),
        "unite them: "
        + "; ".join(f"in {name}, obs['{one.column}'].astype(object).replace({old})" for name, old in places if old),
    )


def _cells(text: str, counts: Mapping[str, Counter[str]]) -> str:
    return ", ".join(f"{found[text]} cells of {name}" for name, found in counts.items() if found[text])


def _judge_agreement(
    one: Grouping, a: str, b: str, pairs: Correspondence, texts: Mapping[str, NDArray[np.object_]]
) -> None:
    """Tell how many matched cells are of another group in each of two modalities, and of which."""
    rows, columns = pairs.pairs()
    both = pd.DataFrame({"first": texts[a][rows], "second": texts[b][columns]}).dropna()
    same = (both["first"] == both["second"]).to_numpy()
    if same.all():  # or none is known in both
        return
    apart = both[~same].value_counts()
    named = apart.head(SHOWN).reset_index(name="cells").itertuples(index=False)
    shown = ", ".join(f"'{x}' in {a} is '{y}' in {b} ({n} cells)" for x, y, n in named)
    problem = (
        f"of {len(both)} matched cells only {format_percent(same.sum(), len(both))} carry the same '{one.column}' in "
        f"{a} and in {b} ({format_percent(_by_chance(both), 1)} would by chance): {shown}"
        f"{', ...' if len(apart) > SHOWN else ''}"
    )
    if one.strict or same.mean() < AGREEING:
        fix = "give both modalities the same column, or rename the values of one so that equal names mean the same"
        one.caution(problem, fix)
    else:
        log.info("%s: %s", one.where, problem)


def _by_chance(both: pd.DataFrame) -> float:
    """Part of the pairs that would be of one group if partners were drawn at random."""
    first, second = (both[name].value_counts(normalize=True) for name in both)
    return float((first * second).sum())


def _notice_singles(where: str, label: str, modalities: Mapping[str, ModalityData]) -> None:
    """Say which values are of a single cell, and which categories are of none."""
    for name, data in modalities.items():
        if label not in data.obs:
            continue
        sizes = pd.Series(data.labels(label), dtype=object).value_counts()
        single, unused = sorted(sizes.index[sizes == 1]), sorted(_unused(data.obs[label]))
        if single and len(single) < len(data.obs) / 2:  # else the evaluation says that hardly any two cells share one
            log.info(
                "%s: %d of %d values of obs '%s' in %s are of a single cell, which no other can be told by: %s",
                *(where, len(single), len(sizes), label, name, _listed(single)),
            )
        if unused:
            log.info(
                "%s: categories of obs '%s' in %s that no cell is of are passed over (%d): %s",
                *(where, label, name, len(unused), _listed(unused)),
            )


def _unused(values: pd.Series) -> Iterator[str]:
    if isinstance(values.dtype, pd.CategoricalDtype):
        yield from map(str, values.cat.categories.difference(values.cat.remove_unused_categories().cat.categories))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
