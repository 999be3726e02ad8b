"""Known pairs checked against the data before training: names may agree although the cells do not."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from jamie.core.context import Context
from jamie.core.errors import DataError
from jamie.correspondence.arrays import Pairs
from jamie.correspondence.couplings.pairs import likeliest_pairs
from jamie.correspondence.quality.cross_fitting import RankFold, RankTest, cross_fit, expected_rank_test, rank_test
from jamie.correspondence.quality.pair_annotations import PairColumn, label_columns, sample_column
from jamie.preprocess.prepare import Prepared

log = logging.getLogger(__name__)

MOST_PAIRS = 2000  # of two modalities; of more, a random sample is checked
FEWEST, FEWEST_OF_SAMPLE, ENOUGH_TO_WARN = 50, 25, 100  # pairs
MOST_SHOWN = 4  # samples in an error
# Standard deviations: less is chance, more is beyond doubt. Ranks of random pairs vary by up to 1.6 of them, as the
# maps of all folds are fitted on nearly the same pairs.
CHANCE, CLEAR = 4.0, 5.0
UNCLEAR = (
    "either these modalities are hardly related, or the names agree and the cells do not: check whether partners have "
    "the same sample and label before you trust imputed values"
)

Verify = Literal["refuse", "warn", "none"]
Verdict = Literal["too few", "related", "unclear", "doubtful", "false"]


@dataclass(frozen=True)
class PairCheck:
    """Evidence of the data for or against known pairs.

    Parameters
    ----------
    a, b
        Modalities.
    group
        Which pairs: empty for all, or ``sample 'S1'``.
    pairs
        Number of known pairs that were checked.
    verdict
        ``related`` if partners rank better than by chance; ``unclear`` if they do not, and there is no other evidence;
        ``doubtful`` if they rank lower than those of other samples, or obs contradicts them; ``false`` if they rank no
        better than by chance and there is other evidence against them; ``too few`` to decide.
    quantile, error
        Mean fraction of the other cells that match better than the partner, by a linear map fitted on other pairs, and
        its standard deviation for random pairs: 0 is best, 0.5 chance.
    expected
        The quantile if these pairs were like those of the other samples; None if there are no others.
    evidence
        Evidence against them.
    """

    a: str
    b: str
    group: str
    pairs: int
    verdict: Verdict
    quantile: float | None = None
    error: float | None = None
    expected: float | None = None
    evidence: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the known fields as plain values."""
        return {name: value for name, value in asdict(self).items() if value is not None and value != ()}

    def describe(self) -> str:
        """Return the rank of the partners and the evidence against them as text."""
        rank = f"mean quantile of the partner {self.quantile:.3f} +- {self.error:.3f} (0 best, 0.5 chance)"
        return "; ".join([f"{rank} by a linear map fitted on other pairs, {self.pairs} pairs", *self.evidence])


@dataclass(frozen=True)
class _KnownPairs:
    """Known pairs of two modalities, and the evidence for or against them."""

    a: str
    b: str
    folds: Sequence[RankFold]
    labels: Sequence[PairColumn]
    sample: PairColumn | None
    context: Context = field(repr=False)


def verify_known_pairs(prepared: Prepared, verify: Verify, context: Context) -> tuple[PairCheck, ...]:
    """Check the known pairs of training cells against the data, for every two modalities.

    Parameters
    ----------
    prepared
        Cells as the model sees them; held-out cells and hidden pairs are not used.
    verify
        What to do with pairs that are false by all evidence: `refuse` or `warn`; `none` checks nothing.
    context
        Randomness.

    Raises
    ------
    DataError
        If pairs are false and `verify` is `refuse`.
    """
    all_checks: list[PairCheck] = []
    for a, b in prepared.dataset.known.by_pair if verify != "none" else ():
        checks = _check(prepared, a, b, context.for_stage(f"verify {a}--{b}"))
        false = [check for check in checks if check.verdict == "false"]
        if verify == "refuse" and false:
            raise _false_pairs_error(false if false[0].group else false[:1])
        for check in checks:
            _log_check(check)
        all_checks += checks
    return tuple(all_checks)


def _check(prepared: Prepared, a: str, b: str, context: Context) -> list[PairCheck]:
    cells = _training_pairs(prepared, a, b, context)
    n = len(cells[0])
    if n < FEWEST:
        return [PairCheck(a, b, "", n, "too few")] if n else []
    folds = cross_fit(prepared.scores[a][cells[0]], prepared.scores[b][cells[1]], context.generator())
    dataset = prepared.dataset
    labels, sample = label_columns(dataset, a, b, cells), sample_column(dataset, a, b, cells)
    pairs = _KnownPairs(a, b, folds, labels, sample, context)
    return [_judge(pairs, "", np.ones(n, dtype=bool)), *_check_samples(pairs)]


def _training_pairs(prepared: Prepared, a: str, b: str, context: Context) -> Pairs:
    """Known pairs of training cells, at most `MOST_PAIRS`; each cell occurs at most once."""
    rows, columns, _ = likeliest_pairs(prepared.dataset.known.between(a, b))
    kept = np.flatnonzero(prepared.split.train[a][rows] & prepared.split.train[b][columns])
    if len(kept) > MOST_PAIRS:
        kept = np.sort(context.for_stage(f"{context.stage}/draw").generator().choice(kept, MOST_PAIRS, replace=False))
    return rows[kept], columns[kept]


def _check_samples(pairs: _KnownPairs) -> Iterator[PairCheck]:
    """Check the pairs of each sample that has enough, compared to samples whose pairs are clearly true."""
    if pairs.sample is None or len(pairs.sample.values) < 2:
        return
    masks = {value: np.asarray(pairs.sample.a == value, dtype=bool) for value in pairs.sample.values}
    tests = {value: rank_test(pairs.folds, mask) for value, mask in masks.items() if mask.sum() >= FEWEST_OF_SAMPLE}
    for value in tests:
        clear = [masks[other] for other, test in tests.items() if other != value and test.z > CLEAR]
        expected = expected_rank_test(pairs.folds, masks[value], np.any(clear, axis=0)) if clear else None
        yield _judge(pairs, f"{pairs.sample.name} '{value}'", masks[value], expected)


def _judge(pairs: _KnownPairs, group: str, chosen: NDArray[np.bool_], expected: RankTest | None = None) -> PairCheck:
    test = rank_test(pairs.folds, chosen)
    related = test.z >= CHANCE
    evidence: list[str] = []
    if test.z < CLEAR:
        evidence += [column.independence(chosen, pairs.context.generator()) for column in pairs.labels]
    if expected is not None and _falls_short(test, expected):
        evidence.append(f"{expected.quantile:.3f} is expected from the other samples")
    # if partners are related, samples may just be named differently in the two modalities
    if pairs.sample is not None and (not related or pairs.sample.shares_values()):
        evidence.append(pairs.sample.disagreement(chosen))
    against = tuple(message for message in evidence if message)
    verdict: Verdict = ("doubtful" if against else "related") if related else ("false" if against else "unclear")
    return PairCheck(
        *(pairs.a, pairs.b, group, test.n_pairs, verdict, test.quantile, test.error),
        expected=expected.quantile if expected else None,
        evidence=against,
    )


def _falls_short(test: RankTest, expected: RankTest) -> bool:
    """Whether partners rank clearly worse than expected, and less than half as far from chance."""
    excess = test.quantile - expected.quantile
    informative = expected.z > CLEAR and test.error > 0
    return informative and excess > CLEAR * test.error and excess > (0.5 - expected.quantile) / 2


def _log_check(check: PairCheck) -> None:
    stage = f"known pairs {check.a}--{check.b}"
    if check.verdict == "too few":
        log.info("%s: %d are too few to decide whether they are true", stage, check.pairs)
    elif check.verdict in ("false", "doubtful"):
        problem = "NO BETTER THAN RANDOM PAIRS" if check.verdict == "false" else "doubtful"
        log.warning("%s, %s: %s: %s", stage, check.group or "all", problem, check.describe())
    elif check.group == "" and check.verdict == "related":
        log.info("%s: partners are related: %s", stage, check.describe())
    elif check.group == "":
        level = logging.WARNING if check.pairs >= ENOUGH_TO_WARN else logging.INFO
        log.log(level, "%s: NO BETTER THAN RANDOM PAIRS: %s; %s", stage, check.describe(), UNCLEAR)


def _false_pairs_error(false: Sequence[PairCheck]) -> DataError:
    listed = [f"{check.group or 'all'}: {check.describe()}" for check in false[:MOST_SHOWN]]
    if len(false) > MOST_SHOWN:
        listed.append(f"and {len(false) - MOST_SHOWN} more")
    return DataError(
        "\n    ".join(["expected pairs of the same cell, found some that are no better than random:", *listed]),
        where=f"correspondence.known, modalities '{false[0].a}' and '{false[0].b}'",
        fix="check whether samples were concatenated in another order, cells were named by their order, or barcodes of "
        "other samples coincide; then add the sample to the names, list the pairs (correspondence.known: {table: "
        "{path: pairs.csv}}), or use none (correspondence.known: none); if these pairs are real, set "
        "correspondence.verify: warn",
    )
