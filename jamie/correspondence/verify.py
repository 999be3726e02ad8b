"""Known pairs held against the data before anything is trained on them: names may agree where cells do not."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from jamie.core.context import Context
from jamie.core.data import Dataset
from jamie.core.errors import DataError
from jamie.correspondence.quality.cross_fitting import RankFold, RankTest, cross_fitted, expected_test, rank_test
from jamie.correspondence.quality.pair_annotations import PairColumn, label_columns, sample_column
from jamie.preprocess.prepare import Prepared

log = logging.getLogger(__name__)

MOST_PAIRS = 2000  # of two modalities; of more, a random sample is looked at
FEWEST, FEWEST_OF_SAMPLE, ENOUGH_TO_WARN = 50, 25, 100  # pairs
MOST_SHOWN = 4  # samples in an error
# Standard deviations: less is chance, more is beyond doubt. Ranks of random pairs scatter by up to 1.6 of them, as the
# maps of all folds are fitted on nearly the same pairs.
CHANCE, CLEAR = 4.0, 5.0

Verify = Literal["refuse", "warn", "none"]
Verdict = Literal["too few", "related", "unclear", "doubtful", "false"]


@dataclass(frozen=True)
class PairCheck:
    """What the data say of known pairs.

    Parameters
    ----------
    a, b
        Modalities.
    of
        Which pairs: empty for all, or ``sample 'S1'``.
    pairs
        Known pairs that were looked at.
    verdict
        ``related`` where partners are found better than by chance; ``unclear`` where they are not, and nothing says
        that they should be; ``doubtful`` where they are found worse than those of other samples, or obs contradicts
        them; ``false`` where they are not found and other evidence speaks against them; ``too few`` to tell.
    quantile, error
        Mean fraction of the other cells that match better than the partner, by a linear map fitted on other pairs, and
        its standard deviation for random pairs: 0 is best, 0.5 chance.
    expected
        The quantile if these pairs were as those of the other samples are; None where there are no others.
    evidence
        What speaks against them.
    """

    a: str
    b: str
    of: str
    pairs: int
    verdict: Verdict
    quantile: float | None = None
    error: float | None = None
    expected: float | None = None
    evidence: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return what is known, as plain values."""
        return {name: value for name, value in asdict(self).items() if value is not None and value != ()}


@dataclass(frozen=True)
class _Pairs:
    """Known pairs of two modalities in a fit, and all that there is to judge them by."""

    a: str
    b: str
    n: int
    folds: Sequence[RankFold]
    labels: Sequence[PairColumn]
    sample: PairColumn | None
    context: Context = field(repr=False)


def verify_all(prepared: Prepared, verify: Verify, context: Context) -> tuple[PairCheck, ...]:
    """Hold the known pairs of training cells against the data, for every two modalities.

    Parameters
    ----------
    prepared
        Cells as the model sees them; those held out, and pairs that are hidden, are not looked at.
    verify
        What becomes of pairs that are false by all that can be seen: `refuse`, or `warn`; `none` looks at nothing.
    context
        Randomness.

    Raises
    ------
    DataError
        Where pairs are false and are to be refused.
    """
    found: list[PairCheck] = []
    for a, b in prepared.dataset.known.by_pair if verify != "none" else ():
        checks = _checked(prepared, a, b, context.for_stage(f"verify {a}--{b}"))
        _tell(checks, verify)
        found += checks
    return tuple(found)


def _checked(prepared: Prepared, a: str, b: str, context: Context) -> list[PairCheck]:
    rows, columns = _drawn(prepared, a, b, context)
    n = len(rows)
    if n < FEWEST:
        return [PairCheck(a, b, "", n, "too few")] if n else []
    scores = prepared.scores
    folds = cross_fitted(scores[a][rows], scores[b][columns], context.generator())
    data: Dataset = prepared.dataset
    at = (rows, columns)
    pairs = _Pairs(a, b, n, folds, label_columns(data, a, b, at), sample_column(data, a, b, at), context)
    return [_judged(pairs, "", np.ones(n, dtype=bool)), *_by_sample(pairs)]


def _drawn(prepared: Prepared, a: str, b: str, context: Context) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Known pairs of training cells, at most `MOST_PAIRS`; each cell occurs at most once."""
    partner = prepared.dataset.known.between(a, b).mutual_best().best_partner()
    columns, rows = np.unique(partner, return_index=True)
    rows, columns = rows[columns >= 0], columns[columns >= 0]
    kept = np.flatnonzero(prepared.split.train[a][rows] & prepared.split.train[b][columns])
    if len(kept) > MOST_PAIRS:
        kept = np.sort(context.for_stage(f"{context.stage}/draw").generator().choice(kept, MOST_PAIRS, replace=False))
    return rows[kept], columns[kept]


def _by_sample(pairs: _Pairs) -> Iterator[PairCheck]:
    """Judge the pairs of each sample that has enough, beside those samples whose pairs are clearly true."""
    if pairs.sample is None or len(pairs.sample.values) < 2:
        return
    masks = {value: np.asarray(pairs.sample.a == value, dtype=bool) for value in pairs.sample.values}
    tests = {value: rank_test(pairs.folds, mask) for value, mask in masks.items() if mask.sum() >= FEWEST_OF_SAMPLE}
    for value in tests:
        clear = [masks[other] for other, test in tests.items() if other != value and test.z > CLEAR]
        expected = expected_test(pairs.folds, masks[value], np.any(clear, axis=0)) if clear else None
        yield _judged(pairs, f"{pairs.sample.name} '{value}'", masks[value], expected)


def _judged(pairs: _Pairs, of: str, chosen: NDArray[np.bool_], expected: RankTest | None = None) -> PairCheck:
    test = rank_test(pairs.folds, chosen)
    found = test.z >= CHANCE
    evidence: list[str] = []
    if test.z < CLEAR:
        evidence += [one.independence(chosen, pairs.context.generator()) for one in pairs.labels]
    if expected is not None and _falls_short(test, expected):
        evidence.append(f"{expected.quantile:.3f} is expected from the other samples")
    # samples of other names on either side may be a matter of naming, where partners are found all the same
    if pairs.sample is not None and (not found or pairs.sample.shares_values()):
        evidence.append(pairs.sample.disagreement(chosen))
    against = tuple(one for one in evidence if one)
    verdict: Verdict = ("doubtful" if against else "related") if found else ("false" if against else "unclear")
    return PairCheck(
        *(pairs.a, pairs.b, of, test.n_pairs, verdict, test.quantile, test.error),
        expected=expected.quantile if expected else None,
        evidence=against,
    )


def _falls_short(test: RankTest, expected: RankTest) -> bool:
    """Whether partners rank clearly worse than they should, and less than half as far from chance."""
    by = test.quantile - expected.quantile
    telling = expected.z > CLEAR and test.error > 0
    return telling and by > CLEAR * test.error and by > (0.5 - expected.quantile) / 2


def _tell(checks: Sequence[PairCheck], verify: Verify) -> None:
    """Log what was found, or refuse."""
    false = [one for one in checks if one.verdict == "false"]
    if verify == "refuse" and false:
        raise _refusal(false if false[0].of else false[:1])
    for one in checks:
        stage = f"known pairs {one.a}--{one.b}"
        if one.verdict == "too few":
            log.info("%s: %d are too few to tell whether they are true", stage, one.pairs)
        elif one.verdict == "false":
            log.warning("%s, %s: NO BETTER THAN RANDOM PAIRS: %s", stage, one.of or "all", _described(one))
        elif one.verdict == "doubtful":
            log.warning("%s, %s: doubtful: %s", stage, one.of or "all", _described(one))
        elif one.of == "" and one.verdict == "related":
            log.info("%s: partners go together: %s", stage, _described(one))
        elif one.of == "":
            tell = log.warning if one.pairs >= ENOUGH_TO_WARN else log.info
            tell("%s: NO BETTER THAN RANDOM PAIRS: %s; %s", stage, _described(one), _UNCLEAR)


_UNCLEAR = (
    "either these modalities have little to do with each other, or the names agree and the cells do not: see whether "
    "partners have the same sample and label before you believe what is imputed"
)


def _described(one: PairCheck) -> str:
    rank = f"mean quantile of the partner {one.quantile:.3f} +- {one.error:.3f} (0 best, 0.5 chance)"
    return "; ".join([f"{rank} by a linear map fitted on other pairs, {one.pairs} pairs", *one.evidence])


def _refusal(false: Sequence[PairCheck]) -> DataError:
    a, b = false[0].a, false[0].b
    listed = [f"{one.of or 'all'}: {_described(one)}" for one in false[:MOST_SHOWN]]
    more = [f"and {len(false) - MOST_SHOWN} more"] * (len(false) > MOST_SHOWN)
    return DataError(
        "\n    ".join(
            ["expected pairs of one and the same cell, found some that are no better than random:", *listed, *more]
        ),
        where=f"correspondence.known, modalities '{a}' and '{b}'",
        fix="see whether samples were joined in another order, cells were named by their order, or barcodes of other "
        "samples coincide; then put the sample into the names, list the pairs (correspondence.known: {table: {path: "
        "pairs.csv}}), or use none (correspondence.known: none); if these pairs are real, insist: "
        "correspondence.verify: warn",
    )
